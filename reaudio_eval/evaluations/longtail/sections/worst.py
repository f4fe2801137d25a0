"""Classes with the worst predicted scores."""

from __future__ import annotations

from reaudio_eval.evaluations.longtail.caterpillar import worst_figure
from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.evaluations.longtail.worst import Worst, finding, worst_classes, worst_table
from reaudio_eval.reports.files import file_stem
from reaudio_eval.reports.first_screen.words import lower_first
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Worst classes</h2>
{% if systems %}
<p class="remark">Predicted {{ title }} of a class ({{ metric.better }} is better), worst
first: its mean, shrunken towards the mean of its stratum by as much as its few clips leave open, with a 95 % interval. Bold: worse than
the mean of all classes with certainty, that is by its whole interval. The intervals are not corrected for the number of classes.</p>
{% for shown in systems %}
<details class="pair-details"{% if loop.first %} open{% endif %}>
<summary>{{ swatch(shown.position) }}{{ shown.system }}</summary>
<p>{{ shown.finding }}</p>
<div class="chart mid">{{ shown.figure }}</div>
<details><summary>Values of the figure</summary>{{ table(shown.table, tall=true) }}</details>
</details>
{% endfor %}
{% else %}<p class="empty">No system has predicted scores of classes: they need values of clips or labels that vary, in enough classes.</p>
{% endif %}
"""


def content(report: LongtailReport) -> Content:
    """For each system that is evaluated a sentence, a figure and its values."""
    found = worst_classes(report.analysis)
    metric = found[0].metric if found else None
    return {
        "systems": [_shown(report, worst) for worst in found],
        "metric": metric,
        "title": lower_first(metric.title) if metric else "",
    }


def _shown(report: LongtailReport, worst: Worst) -> Content:
    analysis = report.analysis
    place = next(i for i, s in enumerate(analysis.systems) if s.name == worst.system)
    sentence = finding(analysis, worst)
    chart = worst_figure(analysis, worst)
    return {
        "system": worst.system,
        "position": place,
        "finding": sentence,
        "figure": report.figures.add(f"worst-{place}-{file_stem(worst.system)}", chart, sentence, legend=False),
        "table": worst_table(analysis, worst, place),
    }


SECTION = Section(65, "worst", "Worst classes", TEMPLATE, content)
