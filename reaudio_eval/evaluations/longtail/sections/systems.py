"""Every metric over all clips."""

from __future__ import annotations

from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_tables import main_table

TEMPLATE = """
<h2>Systems</h2>
{% if main is not none %}{{ table(main) }}{% else %}<p class="empty">No system was evaluated.</p>{% endif %}
"""


def content(report: LongtailReport) -> Content:
    """Systems by metrics."""
    return {"main": main_table(report.analysis) if report.analysis.systems else None}


SECTION = Section(20, "systems", "Systems", TEMPLATE, content)
