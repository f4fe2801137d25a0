"""Runs that are compared, and what they have in common."""

from __future__ import annotations

from reaudio_eval.evaluations.compare.report import CompareReport
from reaudio_eval.evaluations.compare.tables import runs_table
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_sections import PROVENANCE, provenance_content

RUNS = "<h3>Runs</h3>{{ table(runs, sortable=false) }}"


def content(report: CompareReport) -> Content:
    """The runs, and the provenance that they share."""
    return {"runs": runs_table(report.comparison), **provenance_content(report)}


SECTION = Section(100, "provenance", "Provenance", PROVENANCE + RUNS, content)
