"""Every setting over all clips."""

from __future__ import annotations

from reaudio_eval.evaluations.sweep.report import SweepReport
from reaudio_eval.evaluations.sweep.tables import cells_table
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>All settings</h2>
{{ table(cells, css="classes") }}
<p class="remark">Seconds per clip: generation time on this machine under its current load, without retrieval and writing. A dash: the clips
were not generated in this run.</p>
"""


def content(report: SweepReport) -> Content:
    """Settings by metrics."""
    return {"cells": cells_table(report.sweep)}


SECTION = Section(20, "cells", "Settings", TEMPLATE, content)
