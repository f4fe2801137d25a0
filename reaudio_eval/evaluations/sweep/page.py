"""Sweep report: page, figures, tables and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reaudio_eval.evaluations.sweep import tables as sweep_tables
from reaudio_eval.evaluations.sweep import verdict
from reaudio_eval.evaluations.sweep.analysis import Sweep
from reaudio_eval.evaluations.sweep.cells import describe, show
from reaudio_eval.evaluations.sweep.factor_section import factor_section
from reaudio_eval.evaluations.sweep.report import SweepReport
from reaudio_eval.reports.files import SCHEMA_VERSION, plain, write_tables
from reaudio_eval.reports.first_screen.findings import verdict_json
from reaudio_eval.reports.listen import select
from reaudio_eval.reports.media import MediaMode
from reaudio_eval.reports.page import analysis_head
from reaudio_eval.reports.paper_tables import paper_files
from reaudio_eval.reports.rendered import Progress, RenderedReport
from reaudio_eval.reports.report import Players, write_report
from reaudio_eval.reports.section import Section, find_sections
from reaudio_eval.reports.views import TableView

PLAYERS = 80
FRAMES = ("numbers", "curves", "spread")


def render_sweep(
    sweep: Sweep,
    output: Path,
    *,
    media: MediaMode = "inline",
    max_players: int = PLAYERS,
    jobs: int = 1,
    progress: Progress | None = None,
) -> RenderedReport:
    """Write ``sweep.html``, ``sweep.json``, ``figures/sweep-*`` and ``tables/`` into ``output``, each file in one step.

    The same sweep and clips give the same bytes.

    Args:
        sweep: every number.
        output: folder of the page.
        media: players inside the page, in ``output/media``, or none.
        max_players: how many players at most; each prompt has one for every cell.
        jobs: threads that encode audio.
        progress: called with (steps done, steps in all, what was done).

    Raises:
        ReaudioError: ``output`` cannot be written.
    """
    analysis = sweep.analysis
    n_players = max(max_players, 2 * (len(sweep.cells) + 1)) if media != "none" else 0
    listening = select(analysis, n_players)
    design = "each factor varied alone" if sweep.design == "star" else "all combinations"
    facts = (f"{len(sweep.cells)} settings of one checkpoint, {design}", f"reference: {describe(sweep.reference.settings)}")
    frames = {name: getattr(sweep, name) for name in FRAMES} | {"cells": sweep.cell_table}
    return write_report(
        analysis_head(analysis, "sweep", f"Sweep of {sweep.reference.name}", *facts),
        _sections(sweep),
        lambda figures, clips: SweepReport(analysis, figures, listening, clips, sweep),
        output,
        record=(json.dumps(sweep_json(sweep), ensure_ascii=False, indent=1) + "\n").encode(),
        tables=write_tables(frames, _spreads(sweep), output / "tables", _paper(sweep)),
        players=Players(listening.chosen, media, jobs, progress),
    )


def _sections(sweep: Sweep) -> list[Section[SweepReport]]:
    """Those of every sweep, and one for each factor."""
    sections = find_sections("reaudio_eval.evaluations.sweep.sections")
    return sorted([*sections, *map(factor_section, sweep.axes)], key=lambda section: section.place)


def _spreads(sweep: Sweep) -> list[TableView | None]:
    return [sweep_tables.spread_table(sweep, axis, metric) for axis in sweep.axes for metric in sweep.analysis.metrics]


def _paper(sweep: Sweep) -> dict[str, bytes]:
    """Settings by metrics, and for each factor and metric by strata."""
    tables = [sweep_tables.factor_table(sweep, axis, metric) for axis in sweep.axes for metric in sweep.analysis.metrics]
    return paper_files([sweep_tables.cells_table(sweep), *tables], sweep.analysis)


def sweep_json(sweep: Sweep) -> dict[str, Any]:
    """``sweep.json``: the cells, every number by cell, metric and stratum, the spread of chance, and where they come from."""
    analysis = sweep.analysis
    record: dict[str, Any] = plain(
        {
            "schema_version": SCHEMA_VERSION,
            "dataset": {"name": analysis.dataset_name, "split": analysis.split, "n_clips": len(analysis.prompts)},
            "list_sha256": analysis.list_sha256,
            "design": sweep.design,
            "reference": {"cell": sweep.reference.name, "settings": sweep.reference.settings.values()},
            "factors": {
                axis.factor.name: [{"setting": show(value), "cell": cell.name} for value, cell in axis.points]
                for axis in sweep.axes
            },
            "primary": analysis.primary,
            **verdict_json(verdict.evidence(sweep)),
            "verdict": [str(sentence.striptags()) for sentence in verdict.sentences(sweep)],
            "metrics": analysis.metrics,
            "strata": analysis.strata,
            "strata_sizes": analysis.strata_sizes,
            "cells": sweep.cell_table,
            "numbers": sweep.numbers,
            "spread": sweep.spread,
            "alerts": analysis.alerts,
            "audit": analysis.audit,
            "provenance": analysis.provenance,
        }
    )
    return record
