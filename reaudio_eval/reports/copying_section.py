"""The section on leakage and copying: its panels, and the clips that are nearest to what was retrieved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reaudio_eval.reports.copying_figures import copying_figure
from reaudio_eval.reports.copying_tables import DIGITS, copy_tables, copying_metrics, leak_sentences, leak_tables
from reaudio_eval.reports.figure_files import FigureFiles
from reaudio_eval.reports.listen import REFERENCE, Item, LabelTag, Player
from reaudio_eval.reports.text import listing, number
from reaudio_eval.reports.views import TableView
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.frames import lookup, records

SHOWN = 3  # clips of a system that are played
REM_PER_INCH = 7.4  # so that a wide figure fills the page
SHARE = 5  # of all players at most one in so many


@dataclass(frozen=True)
class CopyingPanel:
    """One embedder's view of copying; ``caption`` says how to read the figure, ``width`` is its largest in rem."""

    table: TableView
    figure: Markup | None
    caption: str
    width: float


@dataclass(frozen=True)
class CopyingSection:
    """What the template shows. copied: (system, its clips nearest to what was retrieved)."""

    sentences: tuple[str, ...]
    leaks: tuple[TableView, ...]
    panels: tuple[CopyingPanel, ...]
    copied: tuple[tuple[str, tuple[Item, ...]], ...]


def section(analysis: LongtailAnalysis, figures: FigureFiles, copied: Sequence[Item]) -> CopyingSection:
    """Everything of the section; figures go to ``figures``, ``copied`` is :func:`most_copied`."""
    panels = []
    for metric, view in zip(copying_metrics(analysis), copy_tables(analysis), strict=True):
        limit = next(
            (r.value for r in records(analysis.copying.summary) if r.embedder == metric.embedder and r.quantity == "limit"),
            math.nan,
        )
        chart = copying_figure(analysis, metric.embedder)
        width = REM_PER_INCH * chart.figure.get_figwidth() if chart else 0.0
        figure = figures.add(f"copying-{metric.embedder}", chart, _finding(analysis, metric), legend=False)
        panels.append(CopyingPanel(view, figure, _caption(limit), width))
    groups: dict[str, list[Item]] = {}
    for item in copied:
        groups.setdefault(item.players[0].name, []).append(item)
    together = tuple((name, tuple(items)) for name, items in groups.items())
    return CopyingSection(tuple(leak_sentences(analysis)), tuple(leak_tables(analysis)), tuple(panels), together)


def _caption(limit: float) -> str:
    above = " Dashed: where near copies begin." if math.isfinite(limit) else ""
    return f"Each point is a prompt. On the line a clip is as near to what was retrieved as the real clip is; above it, nearer.{above}"


def _finding(analysis: LongtailAnalysis, metric: MetricInfo) -> str:
    found = lookup(analysis.copying.summary, "system", "embedder", "quantity")
    told = []
    for system in analysis.systems:
        row = found.get((system.name, metric.embedder, "excess"))
        if system.kind == "generated" and row is not None and math.isfinite(row.value):
            told.append(f"{system.name} {number(row.value, DIGITS, sign=True)}")
    return f"Similarity of generated and of real clips to what was retrieved; mean excess of the generated: {listing(told)}."


def most_copied(analysis: LongtailAnalysis, max_players: int) -> list[Item]:
    """Of each system that retrieves the clips nearest to a neighbour, beside that neighbour and the real clip; not of a system whose
    clips are the neighbours' own files. At most one player in ``SHARE`` goes to them."""
    metrics = copying_metrics(analysis)
    if not metrics:
        return []
    copies = analysis.copying.copies
    copies = copies[copies["embedder"] == metrics[0].embedder]
    build, items = _CopiedItems(analysis, metrics[0]), []
    for i, system in enumerate(analysis.systems):
        own = copies[copies["system"] == system.name].sort_values(["similarity", "clip_id"], ascending=[False, True])
        made = (build.item(i, row) for row in records(own)) if system.retrieval is not None else iter(())
        items.append([item for _, item in zip(range(SHOWN), (m for m in made if m is not None), strict=False)])
    kept: list[Item] = []
    for item in (item for own in items for item in own):
        if sum(len(k.paths) for k in (*kept, item)) <= max_players // SHARE:
            kept.append(item)
    return kept


class _CopiedItems:
    """Builds items; what all of them look up is read once."""

    def __init__(self, analysis: LongtailAnalysis, metric: MetricInfo) -> None:
        self.analysis = analysis
        self.metric = metric
        self.prompts = {p.clip_id: (i, p) for i, p in enumerate(analysis.prompts)}
        self.labels = {r.label: LabelTag(r.name, int(r.n_train), str(r.stratum)) for r in records(analysis.labels)}
        real = next((i for i, s in enumerate(analysis.systems) if s.kind == "real" and s.clips), None)
        self.real = real
        self.real_name = REFERENCE if real is None else analysis.systems[real].name
        self.real_clips: Mapping[str, Path] = analysis.references if real is None else analysis.systems[real].clips

    def item(self, i: int, row: Any) -> Item | None:
        """The clip of a row of ``copies``, its neighbour, the real clip; None where one cannot be shown, or they are one file."""
        system = self.analysis.systems[i]
        assert system.retrieval is not None
        pairs = (n.pair for n in system.retrieval.neighbours.get(row.clip_id, ()) if n.pair.clip_id == row.neighbour_id)
        pair, clip = next(pairs, None), system.clips.get(row.clip_id)
        if pair is None or pair.audio is None or clip is None or clip == pair.audio or row.clip_id not in self.prompts:
            return None
        place, prompt = self.prompts[row.clip_id]
        players = [
            Player(system.name, i, clip, (("cosine with the neighbour", number(row.similarity, DIGITS)),)),
            Player(f"retrieved: {pair.caption}", None, pair.audio, ()),
        ]
        if row.clip_id in self.real_clips:
            real = (("cosine with its nearest", number(row.real_similarity, DIGITS)),)
            players.append(Player(self.real_name, self.real, self.real_clips[row.clip_id], real))
        tags = sorted((self.labels.get(x, LabelTag(x, 0, "")) for x in prompt.labels), key=lambda tag: tag.n_train)
        why = f"{self.metric.title}: {number(row.excess, DIGITS, sign=True)}"
        return Item(f"copy-{i}-{place}", prompt, tuple(tags), tuple(players), why)
