"""Comparison page: page, figures, tables and JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reaudio_eval.evaluations.compare import tables
from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.evaluations.compare.listen import select_pairs
from reaudio_eval.evaluations.compare.report import CompareReport
from reaudio_eval.reports.files import FRAMES, analysis_fields, record_json, write_tables
from reaudio_eval.reports.listen import Listening, ranking_metric
from reaudio_eval.reports.media import MediaMode
from reaudio_eval.reports.page import analysis_head
from reaudio_eval.reports.paper_tables import paper_files
from reaudio_eval.reports.rendered import Progress, RenderedReport
from reaudio_eval.reports.report import Players, by_role, write_report
from reaudio_eval.reports.section import find_sections
from reaudio_eval.reports.set_tables import floor_table
from reaudio_eval.reports.shared_tables import main_table
from reaudio_eval.reports.strata_tables import strata_table
from reaudio_eval.reports.views import TableView


def render_compare(
    comparison: Comparison, output: Path, *, media: MediaMode, max_players: int, jobs: int, progress: Progress | None = None
) -> RenderedReport:
    """Write ``compare.html``, ``compare.json``, ``figures/`` and ``tables/`` into ``output``, each file in one step.

    The same comparison and clips give the same bytes.

    Args:
        comparison: every number.
        output: folder.
        media: players inside the page, in ``output/media``, or none.
        max_players: how many players at most.
        jobs: threads that encode audio.
        progress: called with (steps done, steps in all, what was done), from the calling thread.

    Raises:
        ReaudioError: ``output`` cannot be written.
    """
    analysis = replace(comparison.analysis, systems=by_role(comparison.analysis.systems))
    comparison = replace(comparison, analysis=analysis)
    pairs = select_pairs(comparison, max_players if media != "none" else 0)
    unused = Listening((), len(analysis.prompts), ranking_metric(analysis))
    return write_report(
        analysis_head(analysis, "compare", "Comparison of systems", f"baseline: {comparison.baseline}"),
        find_sections("reaudio_eval.evaluations.compare.sections"),
        lambda figures, clips: CompareReport(analysis, figures, unused, clips, comparison, pairs),
        output,
        record=comparison_json(comparison),
        tables=_write_tables(comparison, output / "tables"),
        players=Players([item for each in pairs.values() for item in each.chosen], media, jobs, progress),
    )


def comparison_json(comparison: Comparison) -> bytes:
    """Everything but the audio files: the analysis, and what this comparison adds to it."""
    added = {
        "baseline": comparison.baseline,
        "compared": comparison.compared,
        "runs": comparison.runs,
        "class_differences": comparison.classes,
        "stratum_differences": comparison.strata,
        "published": comparison.published,
    }
    return record_json({**added, **analysis_fields(comparison.analysis)})


def _write_tables(comparison: Comparison, folder: Path) -> list[Path]:
    """Every frame as CSV, and the page's tables as LaTeX; the main one as papers print it."""
    analysis, published = comparison.analysis, tables.published_table(comparison)
    frames = {name: getattr(analysis, name) for name in FRAMES}
    frames |= {"class_differences": comparison.classes, "stratum_differences": comparison.strata, "runs": comparison.runs}
    frames |= {} if published is None else {"published": comparison.published}
    views: list[TableView | None] = [published]
    for metric in analysis.metrics:
        views += [tables.differences_table(comparison, metric), tables.class_table(comparison, metric, {})]
    paper = [main_table(analysis), floor_table(analysis), *(strata_table(analysis, metric) for metric in analysis.metrics)]
    return write_tables(frames, views, folder, paper_files(paper, analysis))
