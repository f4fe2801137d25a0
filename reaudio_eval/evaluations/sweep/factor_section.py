"""Section of one factor of a sweep."""

from __future__ import annotations

from reaudio_eval.evaluations.sweep import tables, verdict
from reaudio_eval.evaluations.sweep.cells import Axis
from reaudio_eval.evaluations.sweep.figures import factor_figure
from reaudio_eval.evaluations.sweep.report import SweepReport
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.scores.system_scores import MetricInfo

PLACE = 30  # between all settings and the alerts
TEMPLATE = """
<h2>By {{ factor.title }}</h2>
{% call(metric, shown) each_metric(panels) %}
{% if shown.figure %}
<div class="chart">{{ shown.figure }}</div>
<p class="remark">{{ "Bands" if factor.numeric else "Bars" }}: 95% intervals,
{% if metric.level == "set" %}of the clips of each stratum{% else %}over clips for all clips, over classes for a stratum{% endif %}.
Diamond and dotted line: the reference. Filled point: significantly different from the reference (paired test, corrected over all
settings); hollow point: not significantly different. The interval of a difference is not corrected.
{%- if shown.spread is not none %} Grey: mean and one standard deviation of these runs.{% endif %}</p>
{% endif %}
{{ table(shown.table, sortable=false) }}
{% if shown.spread is not none %}
{{ table(shown.spread, sortable=false) }}
<p class="remark">{% if factor.name == "seed" %}Every clip has its own noise in every run, so the intervals already contain most of the
variation between seeds.{% else %}Each caption is another text for the same clips.{% endif %} A difference between settings that is
smaller than this spread needs several of these runs.</p>
{% endif %}
{% endcall %}
"""


def factor_section(axis: Axis) -> Section[SweepReport]:
    """Figure, table and, of seeds and captions, the spread, for each metric."""

    def content(report: SweepReport) -> Content:
        sweep = report.sweep

        def panel(metric: MetricInfo) -> Content:
            name, chart = f"sweep-{axis.factor.name}-{metric.name}", factor_figure(sweep, axis, metric)
            return {
                "figure": report.figures.add(name, chart, verdict.finding(sweep, axis, metric), legend=False),
                "table": tables.factor_table(sweep, axis, metric),
                "spread": tables.spread_table(sweep, axis, metric),
            }

        return {"factor": axis.factor, "panels": report.by_metric(panel)}

    return Section(PLACE, f"by-{axis.factor.name}", axis.factor.name, TEMPLATE, content)
