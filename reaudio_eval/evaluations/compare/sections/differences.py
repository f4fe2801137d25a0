"""Differences from the baseline by stratum."""

from __future__ import annotations

from reaudio_eval.evaluations.compare.report import CompareReport
from reaudio_eval.evaluations.compare.tables import differences_table
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Differences from {{ baseline }}</h2>
{% call(metric, shown) each_metric(panels) %}
{% if shown.table is not none %}{{ table(shown.table) }}
{% else %}<p class="empty">{{ metric.title }} has no value of both {{ baseline }} and another system.</p>{% endif %}
{% endcall %}
"""


def content(report: CompareReport) -> Content:
    """For each metric systems by quantities."""
    panels = report.by_metric(lambda metric: {"table": differences_table(report.comparison, metric)})
    return {"baseline": report.comparison.baseline, "panels": panels}


SECTION = Section(40, "differences", "Differences", TEMPLATE, content)
