"""Zero-shot report: page, figures, tables and JSON."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from reaudio_eval.evaluations.zeroshot import tables as zeroshot_tables
from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis
from reaudio_eval.evaluations.zeroshot.report import ZeroshotReport, shown_analysis
from reaudio_eval.frames.evaluations import ZEROSHOT_FRAMES
from reaudio_eval.frames.rows import records
from reaudio_eval.prompts.regimes import RARE, ZERO_SHOT
from reaudio_eval.reports.files import record_json, write_tables
from reaudio_eval.reports.listen import Item, Items, Listening, clips_by_system
from reaudio_eval.reports.media import INLINE_PLAYERS, MediaMode
from reaudio_eval.reports.page import analysis_head
from reaudio_eval.reports.paper_tables import paper_files
from reaudio_eval.reports.rendered import Progress, RenderedReport
from reaudio_eval.reports.report import Players, write_report
from reaudio_eval.reports.section import find_sections
from reaudio_eval.reports.text import count
from reaudio_eval.reports.views import TableView

ROLE_ORDER = tuple(zeroshot_tables.ROLES)
MOST_PROMPTS = 2  # of a class that are played


def render_zeroshot(
    analysis: ZeroshotAnalysis,
    output: Path,
    *,
    media: MediaMode = "inline",
    max_players: int = INLINE_PLAYERS,
    jobs: int = 1,
    progress: Progress | None = None,
) -> RenderedReport:
    """Write ``zeroshot.html``, ``zeroshot.json``, and ``figures/zeroshot-*`` and ``tables/zeroshot*`` into ``output``.

    Args:
        analysis: every number.
        output: folder.
        media: players inside the page, in ``output/media``, or none.
        max_players: how many players at most.
        jobs: threads that encode audio.
        progress: called with (steps done, steps in all, what was done), from the calling thread.

    Raises:
        ReaudioError: ``output`` cannot be written.
    """
    analysis = _in_order(analysis)
    shown = shown_analysis(analysis)
    listening = choose_prompts(analysis, max_players if media != "none" else 0)
    few_shot = f"1 to {analysis.few_shot} training clips" if analysis.few_shot else "none declared"
    which = "" if analysis.every_prompt else "with a zero-shot or few-shot class"
    frames = {f"zeroshot_{name}": getattr(analysis, name) for name in ZEROSHOT_FRAMES}
    return write_report(
        analysis_head(shown, "zeroshot", "Zero-shot report", f"few-shot: {few_shot}", strata=False, which=which),
        find_sections("reaudio_eval.evaluations.zeroshot.sections"),
        lambda figures, clips: ZeroshotReport(shown, figures, listening, clips, analysis),
        output,
        record=zeroshot_json_bytes(analysis),
        tables=write_tables(frames, _latex_views(analysis), output / "tables", _paper(analysis)),
        players=Players(listening.chosen, media, jobs, progress),
    )


def _in_order(analysis: ZeroshotAnalysis) -> ZeroshotAnalysis:
    """Systems by role; labels with their regime in the place of the stratum, for the players."""
    titles = dict(zip(analysis.regimes["regime"], analysis.regimes["title"], strict=True))
    regime = {r.label: titles[r.regime] for r in records(analysis.classes)}
    labels = analysis.base.labels.assign(stratum=[regime.get(label, "") for label in analysis.base.labels["label"]])
    systems = sorted(analysis.base.systems, key=lambda s: ROLE_ORDER.index(analysis.role(s.name)))
    order = {s.name: i for i, s in enumerate(systems)}
    base = dataclasses.replace(analysis.base, systems=tuple(systems), labels=labels)
    by_role = analysis.systems.sort_values("system", key=lambda names: names.map(order), ignore_index=True)
    return dataclasses.replace(analysis, base=base, systems=by_role)


def choose_prompts(analysis: ZeroshotAnalysis, max_players: int) -> Listening:
    """Up to ``MOST_PROMPTS`` prompts of every zero-shot class (without any, of every few-shot class), those with the fewest labels first.

    A prompt is played once.
    """
    base = analysis.base
    sources = clips_by_system(base)
    playable = [p for p in base.prompts if p.labels_known and any(p.clip_id in clips for clips in sources.values())]
    wanted = _played_classes(analysis)
    each = min(MOST_PROMPTS, max_players // max(1, len(sources) * len(wanted)))
    if not playable or not each:
        return Listening((), len(playable), None)
    builder, taken, groups = Items(base, sources), set[str](), []
    for row in wanted:
        ranked = sorted(
            (p for p in playable if row.label in p.labels and p.clip_id not in taken), key=lambda p: len(p.labels)
        )
        chosen = ranked[:each]
        taken |= {p.clip_id for p in chosen}
        items: tuple[Item, ...] = tuple(builder.item(p.clip_id, "") for p in chosen)
        if items:
            groups.append((_class_title(analysis, row), items))
    return Listening(tuple(groups), len(playable), None)


def _played_classes(analysis: ZeroshotAnalysis) -> list[Any]:
    for names in ({r.name for r in ZERO_SHOT}, {r.name for r in RARE}):
        rows = [row for row in records(analysis.classes) if row.regime in names]
        if rows:
            return rows
    return []


def _class_title(analysis: ZeroshotAnalysis, row: Any) -> str:
    titles = dict(zip(analysis.regimes["regime"], analysis.regimes["title"], strict=True))
    n = row.n_train if row.n_train > 0 else row.n_pool
    size = f" ({count(n, 'training clip' if row.n_train > 0 else 'clip')})" if n > 0 else ""
    return f"{row.name}: {titles[row.regime]}{size}"


def _latex_views(analysis: ZeroshotAnalysis) -> list[TableView | None]:
    views: list[TableView | None] = [zeroshot_tables.regimes_table(analysis), zeroshot_tables.systems_table(analysis)]
    for metric in analysis.metrics:
        views += [zeroshot_tables.paired_table(analysis, metric), zeroshot_tables.classes_table(analysis, metric, {})]
    return views


def _paper(analysis: ZeroshotAnalysis) -> dict[str, bytes]:
    """Systems by regimes, a table for each metric."""
    return paper_files((zeroshot_tables.by_regime_table(analysis, m) for m in analysis.metrics), analysis.base)


def zeroshot_json_bytes(analysis: ZeroshotAnalysis) -> bytes:
    """``zeroshot.json``: every frame, the metrics, prompts, alerts and provenance."""
    base = analysis.base
    shared = ("dataset_name", "split", "list_sha256", "banner", "metrics", "prompts", "clip_scores", "provenance", "audit")
    about = {name: getattr(base, name) for name in shared}
    numbers = {name: getattr(analysis, name) for name in ("family", "few_shot", "every_prompt", *ZEROSHOT_FRAMES, "alerts")}
    primary = analysis.primary
    return record_json(numbers | about | {"primary": primary.name if primary else None})
