"""Differences between frequent and rare classes, and between systems."""

from __future__ import annotations

from reaudio_eval.evaluations.longtail.figures import trend_figure
from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.evaluations.longtail.tables import paired_tables, summary_table, trend_table
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_tables import PAIRED
from reaudio_eval.scores.system_scores import MetricInfo

TEMPLATE = """
<h2>From common to rare</h2>
{% call(metric, shown) each_metric(panels) %}
{% if shown.trend is not none %}{{ table(shown.trend) }}
{% else %}<p class="empty">Gap and slope need a value per class, which {{ metric.title }} does not have here.</p>{% endif %}
{% if shown.summary is not none %}
<details><summary>Other summaries over classes</summary>{{ table(shown.summary) }}</details>
{% endif %}
{% if shown.paired %}
<h3>Paired differences</h3>
<p class="remark">{{ explanation }}</p>
{% for view in shown.paired %}<details><summary>{{ view.summary }}</summary>{{ table(view, tall=true) }}</details>{% endfor %}
{% else %}<p class="empty">No two systems could be compared on the same prompts.</p>{% endif %}
{% endcall %}
"""


def content(report: LongtailReport) -> Content:
    """For each metric gap and slope, other summaries, and paired differences; their figure goes to files only."""
    analysis = report.analysis

    def panel(metric: MetricInfo) -> Content:
        report.figures.add(f"trend-{metric.name}", trend_figure(analysis, metric), "", legend=False)
        return {
            "trend": trend_table(analysis, metric),
            "summary": summary_table(analysis, metric),
            "paired": paired_tables(analysis, metric),
        }

    return {"explanation": PAIRED, "panels": report.by_metric(panel)}


SECTION = Section(60, "gap", "Common to rare", TEMPLATE, content)
