"""Published numbers."""

from __future__ import annotations

from reaudio_eval.evaluations.compare.report import CompareReport
from reaudio_eval.evaluations.compare.tables import published_table
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Published numbers</h2>
<p class="remark">{{ view.caption }}.</p>
<details><summary>{{ view.n_rows }} rows from {{ view.groups|length }} sources</summary>
{{ table(view, tall=true, css="published") }}</details>
"""


def content(report: CompareReport) -> Content | None:
    """Published rows; None without any."""
    view = published_table(report.comparison)
    return None if view is None else {"view": view}


SECTION = Section(30, "published", "Published", TEMPLATE, content)
