"""What a plan says in sentences."""

from __future__ import annotations

from reaudio_eval.evaluations.plan.report import PlanReport
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<div class="verdict wide"><div>
{% for sentence in sentences %}<p>{{ sentence }}</p>{% endfor %}
</div></div>
{% if alerts %}<ul class="alerts">
{% for alert in alerts %}
<li class="is-{{ alert.level }}"><b>{{ alert.level|capitalize }}</b><span>{{ alert.message }}</span></li>
{% endfor %}
</ul>{% endif %}
"""


def content(report: PlanReport) -> Content:
    """Sentences and alerts."""
    return {"sentences": report.result.verdict, "alerts": report.result.alerts}


SECTION = Section(10, "verdict", "Verdict", TEMPLATE, content)
