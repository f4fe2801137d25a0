"""The report of a sweep: ``sweep.html`` with its figures, tables and JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reaudio_eval.evaluations.sweep import tables as sweep_tables
from reaudio_eval.evaluations.sweep import verdict
from reaudio_eval.evaluations.sweep.analysis import Sweep
from reaudio_eval.evaluations.sweep.cells import Axis, describe, show
from reaudio_eval.evaluations.sweep.figures import factor_figure
from reaudio_eval.reports import audit_tables, shared_tables
from reaudio_eval.reports.figure_files import FigureFiles
from reaudio_eval.reports.files import csv_bytes, file_stem, latex, plain
from reaudio_eval.reports.listen import Listening, select
from reaudio_eval.reports.media import Media, MediaMode, media_for
from reaudio_eval.reports.page import render_page
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.reports.views import TableView, primary_first
from reaudio_eval.runs.directory import SCHEMA_VERSION
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_model.common.files import atomic_write

SECTIONS_BEFORE = (("verdict", "Verdict"), ("cells", "Settings"))
SECTIONS_AFTER = (("alerts", "Alerts"), ("listen", "Listen"), ("audit", "Audit"), ("provenance", "Provenance"))
PLAYERS = 80
FRAMES = ("numbers", "curves", "spread")
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Panel:
    """What the page shows of one metric over one factor."""

    metric: MetricInfo
    figure: Markup | None
    table: TableView
    spread: TableView | None


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
    paths = [path for item in listening.chosen for path in item.paths]
    total, done = len(sweep.axes) + len(set(paths)) + 2, 0

    def advance(what: str) -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total, what)

    figures = FigureFiles(analysis.systems, output / "figures")
    panels: list[tuple[Axis, list[Panel]]] = []
    for axis in sweep.axes:
        panels.append((axis, [_panel(sweep, axis, metric, figures) for metric in primary_first(analysis)]))
        advance(f"figures of {axis.factor.title}")
    views = [sweep_tables.cells_table(sweep)]
    views += [view for _, own in panels for panel in own for view in (panel.table, panel.spread) if view is not None]
    tables = _write_tables(sweep, views, output / "tables")
    atomic_write(output / "sweep.json", (json.dumps(sweep_json(sweep), ensure_ascii=False, indent=1) + "\n").encode())
    advance("tables")
    clips, files = media_for(paths, output, media, jobs, lambda _: advance("clips"))
    atomic_write(output / "sweep.html", _page(sweep, views[0], panels, listening, clips).encode())
    advance("page")
    return RenderedReport(output / "sweep.html", output / "sweep.json", tuple(figures.written), tables, tuple(files))


def _panel(sweep: Sweep, axis: Axis, metric: MetricInfo, figures: FigureFiles) -> Panel:
    name = f"sweep-{axis.factor.name}-{metric.name}"
    shown = verdict.finding(sweep, axis, metric)
    return Panel(
        metric,
        figures.add(name, factor_figure(sweep, axis, metric), shown, legend=False),
        sweep_tables.factor_table(sweep, axis, metric),
        sweep_tables.spread_table(sweep, axis, metric),
    )


def _write_tables(sweep: Sweep, views: list[TableView], folder: Path) -> tuple[Path, ...]:
    files = {f"{name}.csv": csv_bytes(getattr(sweep, name)) for name in FRAMES}
    files["cells.csv"] = csv_bytes(sweep.cell_table)
    files |= {f"{file_stem(view.name)}.tex": latex(view).encode() for view in views}
    for name, data in files.items():
        atomic_write(folder / name, data)
    return tuple(folder / name for name in files)


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
            "verdict": verdict.sentences(sweep),
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


def _page(
    sweep: Sweep,
    cells: TableView,
    panels: list[tuple[Axis, list[Panel]]],
    listening: Listening,
    clips: Mapping[Path, Media],
) -> str:
    analysis = sweep.analysis
    factors = [(f"by-{axis.factor.name}", axis.factor.name) for axis in sweep.axes]
    content = {
        "sweep": sweep,
        "analysis": analysis,
        "reference": describe(sweep.reference.settings),
        "sentences": verdict.sentences(sweep),
        "cells_table": cells,
        "metrics": primary_first(analysis),
        "panels": panels,
        "metrics_table": shared_tables.metrics_table(analysis),
        "listening": listening,
        "clips": clips,
        "alerts": sorted(analysis.alerts, key=lambda alert: alert.level != "warning"),
        "odd_clips": audit_tables.odd_clips(analysis),
        "audit_table": audit_tables.audit_table(analysis),
    }
    return render_page(
        Path(__file__).with_name("sweep.html.j2"),
        name="sweep",
        title=f"Sweep of {sweep.reference.name}: {analysis.dataset_name}/{analysis.split}",
        sections=(*SECTIONS_BEFORE, *factors, *SECTIONS_AFTER),
        systems=analysis.systems,
        content=content,
    )
