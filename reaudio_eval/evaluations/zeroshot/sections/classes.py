"""Scores of every class."""

from __future__ import annotations

from reaudio_eval.evaluations.zeroshot.report import ZeroshotReport
from reaudio_eval.evaluations.zeroshot.tables import classes_table
from reaudio_eval.reports.listen import anchors_by_label
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_sections import CLASSES, classes_content


def content(report: ZeroshotReport) -> Content:
    """For each metric classes by systems."""
    anchors = anchors_by_label(report.listening)
    return classes_content(report, lambda metric: classes_table(report.zeroshot, metric, anchors), "regime")


SECTION = Section(60, "classes", "Classes", CLASSES, content)
