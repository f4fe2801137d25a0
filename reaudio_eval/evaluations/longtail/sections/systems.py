"""Every metric over all clips."""

from __future__ import annotations

from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.set_tables import floor_table
from reaudio_eval.reports.shared_tables import main_table

TEMPLATE = """
<h2>Systems</h2>
{% if main is not none %}{{ table(main) }}{% else %}<p class="empty">No system was evaluated.</p>{% endif %}
{% if floor is not none %}{{ table(floor) }}{% endif %}
"""


def content(report: LongtailReport) -> Content:
    """Systems by metrics, and distances beside their floor."""
    analysis = report.analysis
    return {"main": main_table(analysis) if analysis.systems else None, "floor": floor_table(analysis)}


SECTION = Section(20, "systems", "Systems", TEMPLATE, content)
