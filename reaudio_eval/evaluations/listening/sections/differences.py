"""Paired differences between systems."""

from __future__ import annotations

from reaudio_eval.evaluations.listening.records import QUESTIONS
from reaudio_eval.evaluations.listening.report import ListeningReport, strata_of
from reaudio_eval.evaluations.listening.tables import paired_table
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_tables import PAIRED

TEMPLATE = """
<h2>Differences</h2>
<p class="remark">{{ explanation }}</p>
{% for view in paired %}
<details{% if loop.first %} open{% endif %}><summary>{{ view.summary }}</summary>{{ table(view) }}</details>
{% endfor %}
"""


def content(report: ListeningReport) -> Content:
    """A table for each question and stratum."""
    analysis = report.analysis
    paired = [paired_table(analysis, question, stratum) for question in QUESTIONS for stratum in strata_of(analysis)]
    return {"explanation": PAIRED, "paired": paired}


SECTION = Section(30, "differences", "Differences", TEMPLATE, content)
