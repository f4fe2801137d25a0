"""Correlation of metrics with listeners."""

from __future__ import annotations

from reaudio_eval.evaluations.listening.figures import forest_figure, forest_finding, scatter_figure
from reaudio_eval.evaluations.listening.report import ListeningReport
from reaudio_eval.evaluations.listening.tables import metrics_table
from reaudio_eval.evaluations.listening.verdict import primary_metric
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Correlation of metrics with listeners</h2>
{% if spearman is not none %}
{% if forest is not none %}<div class="chart mid">{{ forest }}</div>{% endif %}
{{ table(spearman) }}
{% if scatter %}<div class="chart mid">{{ scatter }}</div>
<p class="remark">Each point is a clip of a generated system.</p>{% endif %}
<details><summary>Kendall's τ</summary>{{ table(kendall) }}</details>
<p class="remark">Listeners disagree, so no metric can reach 1: a correlation with clip means of reliability r can hardly exceed √r (see
Agreement).</p>
{% else %}<p class="empty">The runs contain no metric of these clips.</p>{% endif %}
"""


def content(report: ListeningReport) -> Content:
    """Correlations as figure and tables, and one metric clip by clip."""
    analysis, figures = report.analysis, report.figures
    metric = primary_metric(analysis)
    scatter = None if metric is None else scatter_figure(analysis, metric)
    title = "" if metric is None else f"{metric.title} of each clip against its rating."
    return {
        "scatter": figures.add("listening-scatter", scatter, title),
        "forest": figures.add("listening-metrics", forest_figure(analysis), forest_finding(analysis), legend=False),
        "spearman": metrics_table(analysis),
        "kendall": metrics_table(analysis, kendall=True),
    }


SECTION = Section(40, "metrics", "Metrics", TEMPLATE, content)
