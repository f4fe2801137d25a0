"""Gains and losses of every class."""

from __future__ import annotations

from reaudio_eval.evaluations.compare.dumbbell import dumbbell_figure, finding
from reaudio_eval.evaluations.compare.report import CompareReport
from reaudio_eval.evaluations.compare.tables import position
from reaudio_eval.reports.files import file_stem
from reaudio_eval.reports.listen import ranking_metric
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.scores.system_scores import MetricInfo

TEMPLATE = """
<h2>Gains by class</h2>
{% if gains %}
<p class="remark">{{ metric.title }} ({{ metric.better }} is better) of a system and of {{ baseline }},
joined by a line in the colour of the better one.</p>
{% for gain in gains %}
<details class="pair-details"{% if loop.first %} open{% endif %}>
<summary>{{ swatch(gain.position) }}{{ gain.system }} against {{ baseline }}</summary>
<p class="remark">{{ gain.finding }}</p>
<div class="chart dumbbell">{{ gain.figure }}</div>
</details>
{% endfor %}
{% else %}<p class="empty">No metric has a value per class of both {{ baseline }} and another system.</p>{% endif %}
"""


def content(report: CompareReport) -> Content:
    """For each compared system a figure against the baseline, and what it shows in a sentence."""
    comparison, metric = report.comparison, ranking_metric(report.analysis)
    gains = [] if metric is None else [_gain(report, metric, system) for system in comparison.compared]
    return {"gains": [gain for gain in gains if gain], "metric": metric, "baseline": comparison.baseline}


def _gain(report: CompareReport, metric: MetricInfo, system: str) -> Content | None:
    comparison = report.comparison
    place, sentence = position(comparison, system), finding(comparison, metric, system)
    chart = dumbbell_figure(comparison, metric, system)
    figure = report.figures.add(f"gains-{place}-{file_stem(system)}", chart, sentence, legend=False)
    return None if figure is None else {"position": place, "system": system, "finding": sentence, "figure": figure}


SECTION = Section(50, "gains", "Gains by class", TEMPLATE, content)
