"""First screen of the long-tail report."""

from __future__ import annotations

from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.reports.first_screen.evidence import longtail_evidence
from reaudio_eval.reports.first_screen.section import FIRST_SCREEN, first_screen
from reaudio_eval.reports.first_screen.sentences import verdict
from reaudio_eval.reports.section import Content, Section


def content(report: LongtailReport) -> Content:
    """Sentences, and the levels of every system."""
    evidence = longtail_evidence(report.analysis)
    return first_screen(report, evidence, verdict(report.analysis, evidence))


SECTION = Section(10, "verdict", "Verdict", FIRST_SCREEN, content)
