"""Long-tail report: page, figures, tables and JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reaudio_eval.evaluations.longtail.files import analysis_json, write_tables
from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.evaluations.longtail.sections.copying import most_copied
from reaudio_eval.reports.listen import n_players, select
from reaudio_eval.reports.media import INLINE_PLAYERS, MediaMode
from reaudio_eval.reports.page import analysis_head
from reaudio_eval.reports.rendered import Progress, RenderedReport
from reaudio_eval.reports.report import Players, by_role, write_report
from reaudio_eval.reports.section import find_sections
from reaudio_eval.statistics.analysis import LongtailAnalysis


def render_longtail(
    analysis: LongtailAnalysis,
    output: Path,
    *,
    media: MediaMode = "inline",
    max_players: int = INLINE_PLAYERS,
    jobs: int = 1,
    progress: Progress | None = None,
) -> RenderedReport:
    """Write ``longtail.html``, ``longtail.json``, ``figures/`` and ``tables/`` into ``output``, each file in one step.

    The same analysis and clips give the same bytes.

    Args:
        analysis: every number.
        output: folder.
        media: players inside the page, in ``output/media``, or none. Beyond ``INLINE_PLAYERS`` players the rest go to
            ``output/media`` even if "inline".
        max_players: how many players at most; prompts are chosen accordingly.
        jobs: threads that encode audio.
        progress: called with (steps done, steps in all, what was done), from the calling thread.

    Raises:
        ReaudioError: ``output`` cannot be written.
    """
    analysis = replace(analysis, systems=by_role(analysis.systems))
    most = max_players if media != "none" else 0
    copied = most_copied(analysis, most)
    listening = select(analysis, most - n_players(copied))
    return write_report(
        analysis_head(analysis, "longtail", "Long-tail report"),
        find_sections("reaudio_eval.evaluations.longtail.sections"),
        lambda figures, clips: LongtailReport(analysis, figures, listening, clips, copied),
        output,
        record=analysis_json(analysis),
        tables=write_tables(analysis, output / "tables"),
        players=Players([*copied, *listening.chosen], media, jobs, progress),
    )
