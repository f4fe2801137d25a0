"""Long-tail numbers as files: CSV, LaTeX and JSON."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.evaluations.longtail import tables
from reaudio_eval.reports import copying_tables, files, shared_tables
from reaudio_eval.reports.files import FRAMES, analysis_fields, record_json
from reaudio_eval.reports.views import TableView
from reaudio_eval.statistics.analysis import LongtailAnalysis

COPYING = ("retrieved", "leaks", "leak_scores", "copies", "summary")  # frames of ``analysis.copying``


def latex_views(analysis: LongtailAnalysis) -> list[TableView | None]:
    """The tables that go to LaTeX: main, and for every metric strata, gap and slope, paired differences, classes."""
    views: list[TableView | None] = [shared_tables.main_table(analysis)]
    for metric in analysis.metrics:
        views += [shared_tables.strata_table(analysis, metric), tables.trend_table(analysis, metric)]
        views += tables.paired_tables(analysis, metric)
        views.append(shared_tables.class_table(analysis, metric, {}))
    views += copying_tables.leak_tables(analysis)
    return [*views, *(copying_tables.copy_table(analysis, metric) for metric in copying_tables.copying_metrics(analysis))]


def write_tables(analysis: LongtailAnalysis, folder: Path) -> list[Path]:
    """Every frame as CSV and the page's tables as LaTeX; the paths written."""
    frames = {name: getattr(analysis, name) for name in FRAMES}
    copying = {name: getattr(analysis.copying, name) for name in COPYING}
    frames |= {f"copying-{name}": frame for name, frame in copying.items() if len(frame.columns)}
    return files.write_tables(frames, latex_views(analysis), folder)


def analysis_json(analysis: LongtailAnalysis) -> bytes:
    """Everything but the audio files; NaN and infinities are null, keys in the order of the record."""
    return record_json(analysis_fields(analysis))
