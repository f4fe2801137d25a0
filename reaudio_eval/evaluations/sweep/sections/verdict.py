"""First screen of the sweep report."""

from __future__ import annotations

from reaudio_eval.evaluations.sweep.report import SweepReport
from reaudio_eval.evaluations.sweep.verdict import evidence, sentences
from reaudio_eval.reports.first_screen.section import FIRST_SCREEN, first_screen
from reaudio_eval.reports.section import Content, Section


def content(report: SweepReport) -> Content:
    """Sentences, and the levels of every setting."""
    return first_screen(report, evidence(report.sweep), sentences(report.sweep) or ["No metric was computed."])


SECTION = Section(10, "verdict", "Verdict", FIRST_SCREEN, content)
