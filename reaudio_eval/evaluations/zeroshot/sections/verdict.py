"""Verdict of the zero-shot report."""

from __future__ import annotations

from reaudio_eval.evaluations.zeroshot.report import ZeroshotReport
from reaudio_eval.evaluations.zeroshot.tables import gains_table
from reaudio_eval.evaluations.zeroshot.verdict import sentences
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_sections import VERDICT, verdict_content


def content(report: ZeroshotReport) -> Content:
    """Sentences, and the gains on the rare classes."""
    return verdict_content(report, sentences(report.zeroshot), gains_table(report.zeroshot))


SECTION = Section(10, "verdict", "Verdict", VERDICT, content)
