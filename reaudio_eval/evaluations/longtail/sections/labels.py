"""Training and test clips of every class."""

from __future__ import annotations

from reaudio_eval.evaluations.longtail.figures import label_histogram_figure
from reaudio_eval.evaluations.longtail.findings import histogram, tail_shape
from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.reports.drawing import Chart
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_tables import sizes_table

TEMPLATE = """
<h2>Class frequencies</h2>
{% if histogram is not none %}
<div class="chart">{{ histogram }}</div>
{{ table(sizes) }}
{% else %}<p class="empty">No class has a training count.</p>{% endif %}
{% if shape %}<dl class="facts">
{% for name, value in shape %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}
</dl>{% endif %}
"""


def content(report: LongtailReport) -> Content:
    """Histogram, sizes of the strata, and the shape of the tail in numbers."""
    analysis = report.analysis
    chart = None if analysis.labels.empty else Chart(label_histogram_figure(analysis.labels, analysis.strata))
    return {
        "histogram": report.figures.add("label-histogram", chart, histogram(analysis), legend=False),
        "sizes": sizes_table(analysis),
        "shape": tail_shape(analysis),
    }


SECTION = Section(30, "labels", "Labels", TEMPLATE, content)
