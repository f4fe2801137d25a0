"""Differences from the baseline of every class."""

from __future__ import annotations

from reaudio_eval.evaluations.compare.report import CompareReport
from reaudio_eval.evaluations.compare.tables import class_table
from reaudio_eval.reports.listen import anchors_by_label
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_sections import CLASSES, classes_content


def content(report: CompareReport) -> Content:
    """For each metric classes by systems, with the prompts that are played of a class."""
    anchors: dict[str, tuple[str, ...]] = {}
    for listening in report.pairs.values():
        for label, each in anchors_by_label(listening).items():
            anchors[label] = (*anchors.get(label, ()), *each)
    return classes_content(report, lambda metric: class_table(report.comparison, metric, anchors))


SECTION = Section(60, "classes", "Classes", CLASSES, content)
