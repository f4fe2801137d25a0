"""Scores by stratum."""

from __future__ import annotations

from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.strata_tables import normalised_table, strata_table

TEMPLATE = """
<h2>Strata</h2>
{% call(metric, shown) each_metric(panels) %}
{% if shown.table is not none %}{{ table(shown.table) }}
{% else %}<p class="empty">{{ metric.title }} is computed over all clips only, so no stratum has a value.</p>{% endif %}
{% if shown.normalised is not none %}
<details><summary>Scaled between noise and real audio</summary>{{ table(shown.normalised) }}</details>
{% endif %}
{% endcall %}
"""


def content(report: LongtailReport) -> Content:
    """For each metric systems by strata, and the same scaled between noise and real audio."""
    analysis = report.analysis
    return {
        "panels": report.by_metric(
            lambda metric: {"table": strata_table(analysis, metric), "normalised": normalised_table(analysis, metric)}
        )
    }


SECTION = Section(50, "strata", "Strata", TEMPLATE, content)
