"""Every metric over all clips."""

from __future__ import annotations

from reaudio_eval.reports.report import Report
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.set_tables import floor_table
from reaudio_eval.reports.shared_tables import main_table

TEMPLATE = """
<h2>Systems</h2>
{{ table(main) }}
{% if floor is not none %}{{ table(floor) }}{% endif %}
<p class="remark">For a paper: <code>tables/main.tex</code>.</p>
"""


def content(report: Report) -> Content:
    """Systems by metrics, and distances beside their floor."""
    return {"main": main_table(report.analysis), "floor": floor_table(report.analysis)}


SECTION = Section(20, "systems", "Systems", TEMPLATE, content)
