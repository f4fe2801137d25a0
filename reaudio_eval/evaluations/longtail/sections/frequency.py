"""Score against training frequency."""

from __future__ import annotations

from reaudio_eval.evaluations.longtail import findings
from reaudio_eval.evaluations.longtail.figures import frequency_figure, strata_figure
from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.reports.drawing import CROWDED
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_tables import bins_table
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.separation import overall_separation

TEMPLATE = """
<h2>Score against training frequency</h2>
{{ legend(systems) }}
{% if panels %}<p class="remark js">Select a system to hide or show it; point at it to see its classes and band.
Select a point to go to its row, or use the arrow keys to move between points.</p>{% endif %}
{% call(metric, shown) each_metric(panels) %}
{% if shown.frequency %}
<div class="pair">
<div class="chart points-chart{{ ' many' if many }} focus-{{ focus }}" data-m="{{ shown.position }}">{{ shown.frequency }}</div>
{% if shown.strata %}<div class="chart">{{ shown.strata }}</div>{% endif %}
</div>
<p class="remark">Common to rare from left to right. Left: each point is a class, unseen ones apart; lines are local averages on
log(1 + training clips) with 95% bands
{%- if many %} (points and band of one system at a time){% endif %}. Right: means over the classes of each stratum with 95% intervals;
an interval that leaves the axis is much wider than the figure.</p>
{% if shown.bins is not none %}<details><summary>Values of the figure</summary>{{ table(shown.bins) }}</details>{% endif %}
{% else %}
<p class="empty">{{ metric.title }}
{% if metric.level == "set" %}
is computed on a set of clips, so a single class has no value; its strata are shown here.</p>
{% else %}
has no value for any class.</p>
{% endif %}
{% if shown.strata %}<div class="chart half">{{ shown.strata }}</div>{% endif %}
{% endif %}
{% endcall %}
"""


def content(report: LongtailReport) -> Content:
    """For each metric classes and strata as figures, and the first in numbers."""
    analysis, figures = report.analysis, report.figures

    def panel(metric: MetricInfo) -> Content:
        frequency, strata = frequency_figure(analysis, metric), strata_figure(analysis, metric)
        return {
            "frequency": figures.add(f"frequency-{metric.name}", frequency, findings.frequency(analysis, metric)),
            "strata": figures.add(f"strata-{metric.name}", strata, findings.strata(analysis, metric)),
            "bins": bins_table(analysis, metric),
        }

    many = sum(s.kind == "generated" for s in analysis.systems) > CROWDED
    return {"systems": analysis.systems, "many": many, "focus": _focus(analysis), "panels": report.by_metric(panel)}


def _focus(analysis: LongtailAnalysis) -> int:
    """Position of the leader: the system whose points are shown where those of all would hide each other."""
    if analysis.primary is None:
        return 0
    leader = overall_separation(analysis, analysis.metric(analysis.primary)).leader
    return next((i for i, s in enumerate(analysis.systems) if s.name == leader), 0)


SECTION = Section(40, "frequency", "Frequency", TEMPLATE, content)
