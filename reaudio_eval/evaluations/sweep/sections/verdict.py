"""Verdict of the sweep report."""

from __future__ import annotations

from reaudio_eval.evaluations.sweep.report import SweepReport
from reaudio_eval.evaluations.sweep.verdict import sentences
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_sections import VERDICT, verdict_content


def content(report: SweepReport) -> Content:
    """Sentences."""
    return verdict_content(report, sentences(report.sweep) or ["No metric was computed."])


SECTION = Section(10, "verdict", "Verdict", VERDICT, content)
