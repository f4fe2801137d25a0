"""Scores of every class."""

from __future__ import annotations

from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.reports.listen import anchors_by_label
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_sections import CLASSES, classes_content
from reaudio_eval.reports.shared_tables import class_table


def content(report: LongtailReport) -> Content:
    """For each metric classes by systems."""
    anchors = anchors_by_label(report.listening)
    return classes_content(report, lambda metric: class_table(report.analysis, metric, anchors))


SECTION = Section(80, "classes", "Classes", CLASSES, content)
