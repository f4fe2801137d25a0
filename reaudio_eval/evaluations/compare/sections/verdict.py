"""First screen of the comparison."""

from __future__ import annotations

from reaudio_eval.evaluations.compare.report import CompareReport
from reaudio_eval.evaluations.compare.verdict import evidence, verdict_sentences
from reaudio_eval.reports.first_screen.section import FIRST_SCREEN, first_screen
from reaudio_eval.reports.section import Content, Section


def content(report: CompareReport) -> Content:
    """Sentences, and the levels of every system."""
    return first_screen(report, evidence(report.comparison), verdict_sentences(report.comparison))


SECTION = Section(10, "verdict", "Verdict", FIRST_SCREEN, content)
