"""Verdict of a listening test."""

from __future__ import annotations

from reaudio_eval.evaluations.listening.report import ListeningReport
from reaudio_eval.evaluations.listening.verdict import sentences
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<div class="verdict wide"><div>
{% for sentence in sentences %}<p>{{ sentence }}</p>{% endfor %}
</div></div>
{% if notes %}<ul class="alerts notes">
{% for note in notes %}<li class="is-note"><b>Note</b><span>{{ note }}</span></li>{% endfor %}
</ul>{% endif %}
"""


def content(report: ListeningReport) -> Content:
    """Sentences and notes."""
    return {"sentences": list(sentences(report.analysis)), "notes": report.analysis.notes}


SECTION = Section(10, "verdict", "Verdict", TEMPLATE, content)
