"""Regimes of classes, and roles and training data of systems."""

from __future__ import annotations

from reaudio_eval.evaluations.zeroshot.report import ZeroshotReport
from reaudio_eval.evaluations.zeroshot.tables import regimes_table, systems_table
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Regimes and systems</h2>
{{ table(regimes, sortable=false) }}
{{ table(systems, sortable=false) }}
"""


def content(report: ZeroshotReport) -> Content:
    """Two tables."""
    return {"regimes": regimes_table(report.zeroshot), "systems": systems_table(report.zeroshot)}


SECTION = Section(20, "regimes", "Regimes", TEMPLATE, content)
