"""Section of the first screen."""

from __future__ import annotations

from collections.abc import Sequence

from reaudio_eval.reports.first_screen.evidence import Evidence
from reaudio_eval.reports.first_screen.family import family_text
from reaudio_eval.reports.first_screen.figure import drawn, finding, levels_figure
from reaudio_eval.reports.first_screen.table import levels_table
from reaudio_eval.reports.report import Report
from reaudio_eval.reports.section import Content

FIRST_SCREEN = """
<div class="verdict{{ ' wide' if figure is none }}">
<div>
{% for sentence in sentences %}<p>{{ sentence }}</p>{% endfor %}
{% for alert in alerts if alert.first_screen %}<p class="first-alert" role="note"><b>Warning</b> {{ alert.message }}</p>{% endfor %}
{% if alerts %}
{% set warnings = alerts|selectattr("level", "equalto", "warning")|list|length %}
{% set notes = alerts|length - warnings %}
<p class="remark"><a href="#alerts">Read before using the numbers:
{{ warnings }} warning{{ "s" if warnings != 1 }}, {{ notes }} note{{ "s" if notes != 1 }}</a></p>
{% endif %}
</div>
{% if figure is not none %}<figure class="levels">
<ul class="key" aria-label="Systems in the figure">{% for i, name in key %}<li>{{ swatch(i) }}{{ name }}</li>{% endfor %}</ul>
{{ figure }}
<figcaption>Means {% if by_class %}over classes {% endif %}with 95 % intervals, common to rare.</figcaption>
</figure>{% endif %}
</div>
{% if levels is not none %}{{ table(levels, css="compact") }}{% endif %}
{% if family %}<p class="remark">{{ family }}</p>{% endif %}
"""


def first_screen(report: Report, evidence: Evidence | None, sentences: Sequence[str]) -> Content:
    """Variables of ``FIRST_SCREEN``: sentences, the figure with its key, the table of levels, and the confirmatory family."""
    shown = None if evidence is None else levels_figure(evidence)
    figure = report.figures.add("levels", shown, finding(evidence), legend=False) if evidence is not None else None
    return {
        "sentences": sentences,
        "alerts": report.alerts,
        "figure": figure,
        "key": [] if evidence is None else [(i, evidence.name(evidence.systems[i].name)) for i in drawn(evidence)],
        "by_class": evidence is not None and evidence.metric.level != "set",
        "levels": None if evidence is None else levels_table(evidence),
        "family": "" if evidence is None else family_text(evidence),
    }
