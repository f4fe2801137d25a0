"""Long-tail numbers as files: CSV, LaTeX and JSON."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.evaluations.longtail import tables
from reaudio_eval.evaluations.longtail.worst import worst_frame
from reaudio_eval.reports import copying_tables, files, shared_tables
from reaudio_eval.reports.files import FRAMES, analysis_fields, record_json
from reaudio_eval.reports.paper_tables import paper_files
from reaudio_eval.reports.set_tables import floor_table
from reaudio_eval.reports.shared_tables import main_table
from reaudio_eval.reports.strata_tables import strata_table
from reaudio_eval.reports.views import TableView
from reaudio_eval.statistics.analysis import LongtailAnalysis

COPYING = ("retrieved", "leaks", "leak_scores", "copies", "summary")  # frames of ``analysis.copying``


def latex_views(analysis: LongtailAnalysis) -> list[TableView | None]:
    """The tables that go to LaTeX beside those for a paper: for every metric gap and slope, paired differences, classes."""
    views: list[TableView | None] = []
    for metric in analysis.metrics:
        views += [tables.trend_table(analysis, metric), shared_tables.class_table(analysis, metric, {})]
        views += [view for view in tables.paired_tables(analysis, metric) if tables.has_difference(view)]
    views += copying_tables.leak_tables(analysis)
    return [*views, *(copying_tables.copy_table(analysis, metric) for metric in copying_tables.copying_metrics(analysis))]


def paper_views(analysis: LongtailAnalysis) -> list[TableView | None]:
    """The tables for a paper: systems by metrics, by distances beside their floor, and for every metric by strata."""
    return [main_table(analysis), floor_table(analysis), *(strata_table(analysis, metric) for metric in analysis.metrics)]


def write_tables(analysis: LongtailAnalysis, folder: Path) -> list[Path]:
    """Every frame as CSV and the page's tables as LaTeX; the paths written."""
    frames = {name: getattr(analysis, name) for name in FRAMES}
    frames["worst_classes"] = worst_frame(analysis)
    copying = {name: getattr(analysis.copying, name) for name in COPYING}
    frames |= {f"copying-{name}": frame for name, frame in copying.items() if len(frame.columns)}
    return files.write_tables(frames, latex_views(analysis), folder, paper_files(paper_views(analysis), analysis))


def analysis_json(analysis: LongtailAnalysis) -> bytes:
    """Everything but the audio files; NaN and infinities are null, keys in the order of the record."""
    return record_json(analysis_fields(analysis))
