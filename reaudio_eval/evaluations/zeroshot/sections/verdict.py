"""First screen of the zero-shot report."""

from __future__ import annotations

from reaudio_eval.evaluations.zeroshot.report import ZeroshotReport
from reaudio_eval.evaluations.zeroshot.verdict import evidence, sentences
from reaudio_eval.reports.first_screen.section import FIRST_SCREEN, first_screen
from reaudio_eval.reports.section import Content, Section


def content(report: ZeroshotReport) -> Content:
    """Sentences, and the levels of every system."""
    return first_screen(report, evidence(report.zeroshot), sentences(report.zeroshot))


SECTION = Section(10, "verdict", "Verdict", FIRST_SCREEN, content)
