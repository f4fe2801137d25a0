"""Scores by regime."""

from __future__ import annotations

from reaudio_eval.evaluations.zeroshot.figure import regime_figure
from reaudio_eval.evaluations.zeroshot.report import ZeroshotReport
from reaudio_eval.evaluations.zeroshot.tables import by_regime_table
from reaudio_eval.evaluations.zeroshot.verdict import finding
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.scores.system_scores import MetricInfo

TEMPLATE = """
<h2>Scores by regime</h2>
{{ legend(systems) }}
{% call(metric, shown) each_metric(panels) %}
{% if shown.figure %}
<div class="chart points-chart" data-m="{{ shown.position }}" data-first="5">{{ shown.figure }}</div>
<p class="remark">Large: means over the classes of a regime with 95% intervals (none below 5 classes). Small: single classes. A class in
the training data of a system has no point for that system and is not counted.</p>
{% endif %}
{{ table(shown.table) }}
{% endcall %}
"""


def content(report: ZeroshotReport) -> Content:
    """For each metric the classes and regimes as a figure, and the regimes as a table."""
    zeroshot = report.zeroshot

    def panel(metric: MetricInfo) -> Content:
        figure = report.figures.add(f"zeroshot-{metric.name}", regime_figure(zeroshot, metric), finding(zeroshot, metric))
        return {"figure": figure, "table": by_regime_table(zeroshot, metric)}

    return {"systems": report.analysis.systems, "panels": report.by_metric(panel)}


SECTION = Section(30, "scores", "Scores", TEMPLATE, content)
