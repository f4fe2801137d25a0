"""Verdict of the comparison."""

from __future__ import annotations

from reaudio_eval.evaluations.compare.report import CompareReport
from reaudio_eval.evaluations.compare.tables import headline_table
from reaudio_eval.evaluations.compare.verdict import verdict_sentences
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_sections import VERDICT, verdict_content


def content(report: CompareReport) -> Content:
    """Sentences, and the differences over all clips."""
    return verdict_content(report, verdict_sentences(report.comparison), headline_table(report.comparison))


SECTION = Section(10, "verdict", "Verdict", VERDICT, content)
