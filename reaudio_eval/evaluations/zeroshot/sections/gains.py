"""Gain from retrieval."""

from __future__ import annotations

from reaudio_eval.evaluations.zeroshot.report import ZeroshotReport
from reaudio_eval.evaluations.zeroshot.tables import paired_table
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Gain from retrieval</h2>
{% call(metric, shown) each_metric(panels) %}
{% if shown.table is not none %}{{ table(shown.table) }}
{% else %}<p class="empty">There is no no-retrieval control and no copy of the retrieved clips to compare with: name them with --control and
--copied.</p>{% endif %}
{% endcall %}
"""


def content(report: ZeroshotReport) -> Content:
    """For each metric the paired differences."""
    return {"panels": report.by_metric(lambda metric: {"table": paired_table(report.zeroshot, metric)})}


SECTION = Section(40, "gains", "Gain from retrieval", TEMPLATE, content)
