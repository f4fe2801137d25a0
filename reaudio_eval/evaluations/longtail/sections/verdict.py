"""Verdict of the long-tail report."""

from __future__ import annotations

from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.evaluations.longtail.tables import loss_table
from reaudio_eval.evaluations.longtail.verdict import sentences
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_sections import VERDICT, verdict_content


def content(report: LongtailReport) -> Content:
    """Sentences, and what each system loses from head to tail."""
    return verdict_content(report, sentences(report.analysis), loss_table(report.analysis))


SECTION = Section(10, "verdict", "Verdict", VERDICT, content)
