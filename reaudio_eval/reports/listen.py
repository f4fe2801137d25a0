"""Choice of the prompts that a report plays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.clips.roles import competing
from reaudio_eval.frames.rows import records
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.prompts.strata import stratum_titles
from reaudio_eval.reports.text import number
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_model.retrieval.records import Neighbour

REFERENCE = "real audio"
PLAYED = 3  # retrieved clips of a prompt that can be played, for each system


@dataclass(frozen=True)
class Player:
    """A clip to listen to. ``system`` is the position of the system, None for a reference that is no system of the run;
    ``scores`` are (metric title, value) with the primary metric first."""

    name: str
    system: int | None
    path: Path
    scores: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LabelTag:
    name: str
    n_train: int
    stratum: str


@dataclass(frozen=True)
class Use:
    """A system that retrieved a clip: name, position, rank from 1, similarity to the prompt as text."""

    name: str
    system: int
    rank: int
    similarity: str


@dataclass(frozen=True)
class Retrieved:
    """A clip that was retrieved for a prompt, once for all systems that retrieved it.

    Attributes:
        caption: of the retrieved clip.
        path: its file; None where ``played_as`` names a system, or where there is nothing to play.
        uses: the systems that retrieved it.
        played_as: a system of the same prompt whose clip is this file, or "".
        note: why nothing is played, or "".
    """

    caption: str
    path: Path | None
    uses: tuple[Use, ...]
    played_as: str = ""
    note: str = ""


@dataclass(frozen=True)
class Item:
    """A prompt with its players.

    Attributes:
        anchor: id in the page.
        prompt: the prompt.
        labels: of the prompt, common to rare.
        players: its clips.
        reason: the number for which it was chosen, or "".
        neighbours: clips retrieved for it.
    """

    anchor: str
    prompt: Prompt
    labels: tuple[LabelTag, ...]
    players: tuple[Player, ...]
    reason: str
    neighbours: tuple[Retrieved, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """Every file that is played."""
        return [p.path for p in self.players] + [n.path for n in self.neighbours if n.path is not None]


@dataclass(frozen=True)
class Listening:
    """Groups of prompts (title, items); ``total`` prompts have clips, ``metric`` ranked them."""

    groups: tuple[tuple[str, tuple[Item, ...]], ...]
    total: int
    metric: MetricInfo | None

    @property
    def chosen(self) -> list[Item]:
        return [item for _, items in self.groups for item in items]


def clips_by_system(analysis: LongtailAnalysis) -> dict[tuple[str, int | None], Mapping[str, Path]]:
    """(name, position) -> clips, the reference first; noise is not played."""
    real: dict[tuple[str, int | None], Mapping[str, Path]] = {
        (s.name, i): s.clips for i, s in enumerate(analysis.systems) if s.kind == "real" and s.clips
    }
    if not real and analysis.references:
        real = {(REFERENCE, None): analysis.references}
    return {**real, **{(s.name, i): s.clips for i, s in enumerate(analysis.systems) if s.kind == "generated" and s.clips}}


def select(analysis: LongtailAnalysis, max_players: int) -> Listening:
    """As many prompts as ``max_players`` allows: a third with the lowest scores, a third with the largest differences between
    systems, the rest random (by a hash of the clip id, so the same in every run)."""
    sources = clips_by_system(analysis)
    ids = [p.clip_id for p in analysis.prompts if any(p.clip_id in clips for clips in sources.values())]
    most = max((sum(n.path is not None for n in retrieved_for(analysis, clip)) for clip in ids), default=0)
    budget = max(0, min(len(ids), max_players // max(len(sources) + most, 1)))
    if not budget:
        return Listening((), len(ids), None)
    metric = ranking_metric(analysis)
    worst, spread = _rank(analysis, metric, ids)
    third = max(1, budget // 3)
    lowest = list(worst)[:third]
    different = [c for c in spread if c not in lowest][: min(third, budget - len(lowest))]
    others = shuffled(ids, {*lowest, *different})[: budget - len(lowest) - len(different)]
    builder = Items(analysis, sources)
    groups: tuple[tuple[str, list[str], Mapping[str, float], str], ...] = (
        ("Worst", lowest, worst, "mean of the systems"),
        ("Largest differences between systems", different, spread, "best minus worst system"),
        ("Random", others, {}, ""),
    )
    items = tuple(
        (title, tuple(builder.item(clip, _reason(analysis, metric, ranked.get(clip), what)) for clip in clips))
        for title, clips, ranked, what in groups
        if clips
    )
    return Listening(items, len(ids), metric)


def shuffled(ids: Sequence[str], excluded: Container[str]) -> list[str]:
    """The ids that are not excluded, in an order that looks random and never changes."""
    return sorted((c for c in ids if c not in excluded), key=lambda c: hashlib.sha256(c.encode()).hexdigest())


def ranking_metric(analysis: LongtailAnalysis) -> MetricInfo | None:
    """The primary metric if clips have values of it, else the first that gives clips values."""
    scored = set(analysis.clip_scores.loc[analysis.clip_scores["value"].notna(), "metric"])
    names = [n for n in (analysis.primary, *(m.name for m in analysis.metrics)) if n in scored]
    return analysis.metric(names[0]) if names and names[0] else None


def _rank(
    analysis: LongtailAnalysis, metric: MetricInfo | None, ids: Sequence[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Clip -> mean over systems from the worst, and clip -> range over systems from the largest."""
    if metric is None:
        return {}, {}
    frame = analysis.clip_scores
    frame = frame[
        (frame["metric"] == metric.name) & frame["system"].isin(competing(analysis.systems)) & frame["clip_id"].isin(ids)
    ]
    by_clip = frame.dropna(subset=["value"]).groupby("clip_id")["value"]
    mean = by_clip.mean().sort_values(ascending=metric.higher_is_better, kind="stable")
    spread = (by_clip.max() - by_clip.min()).sort_values(ascending=False, kind="stable")
    if len(set(frame["system"])) < 2:
        spread = spread.iloc[:0]
    return {str(k): float(v) for k, v in mean.items()}, {str(k): float(v) for k, v in spread.items()}


def _reason(analysis: LongtailAnalysis, metric: MetricInfo | None, value: float | None, what: str) -> str:
    if metric is None or value is None:
        return ""
    return f"{metric.title}, {what}: {number(value, metric_decimals(analysis, metric))}"


class Items:
    """Builds items from the frames of an analysis.

    Args:
        analysis: of the page.
        sources: (name, position) -> clips, in the order of the players (see :func:`clips_by_system`).
        prefix: of the anchors, for a page on which a prompt may stand more than once.
    """

    def __init__(
        self, analysis: LongtailAnalysis, sources: Mapping[tuple[str, int | None], Mapping[str, Path]], prefix: str = "p"
    ) -> None:
        frame: pd.DataFrame = analysis.clip_scores
        self.analysis = analysis
        self.tags = label_tags(analysis)
        self.sources = sources
        self.prefix = prefix
        self.prompts = {p.clip_id: (i, p) for i, p in enumerate(analysis.prompts)}
        first = ranking_metric(analysis)
        self.metrics = sorted((m for m in analysis.metrics if m.level != "set"), key=lambda m: m != first)
        self.digits = {m.name: metric_decimals(analysis, m) for m in self.metrics}
        self.values = {(r.system, r.clip_id, r.metric): r.value for r in records(frame)}

    def item(self, clip: str, reason: str) -> Item:
        """A prompt, and the number for which it was chosen."""
        place, prompt = self.prompts[clip]
        players = tuple(
            Player(name, i, clips[clip], () if i is None else self._scores(name, clip))
            for (name, i), clips in self.sources.items()
            if clip in clips
        )
        neighbours = retrieved_for(self.analysis, clip)
        return Item(f"{self.prefix}-{place}", prompt, self.tags(prompt), players, reason, neighbours)

    def _scores(self, system: str, clip: str) -> tuple[tuple[str, str], ...]:
        return tuple(
            (m.title, number(self.values[system, clip, m.name], self.digits[m.name]))
            for m in self.metrics
            if (system, clip, m.name) in self.values
        )


def label_tags(analysis: LongtailAnalysis) -> Callable[[Prompt], tuple[LabelTag, ...]]:
    """The labels of a prompt with their training counts, common to rare."""
    titles = stratum_titles(analysis.strata)
    known = {
        r.label: LabelTag(r.name, int(r.n_train), titles.get(r.stratum, str(r.stratum))) for r in records(analysis.labels)
    }

    def tags(prompt: Prompt) -> tuple[LabelTag, ...]:
        every = (known.get(label, LabelTag(label, 0, "")) for label in prompt.labels)
        return tuple(sorted(every, key=lambda tag: -tag.n_train))

    return tags


def n_players(items: Sequence[Item]) -> int:
    """Players that the items take."""
    return sum(len(item.paths) for item in items)


def retrieved_for(analysis: LongtailAnalysis, clip: str) -> tuple[Retrieved, ...]:
    """What systems retrieved for a prompt, nearest first; only the first ``PLAYED`` of each system can be played."""
    uses: dict[tuple[str, str], list[tuple[Use, Neighbour]]] = {}
    for i, system in enumerate(analysis.systems):
        for n in () if system.retrieval is None else system.retrieval.neighbours.get(clip, ()):
            use = Use(system.name, i, n.rank + 1, number(n.similarity, 3))
            uses.setdefault((n.pair.clip_id, str(n.pair.audio)), []).append((use, n))
    ordered = sorted(
        uses.values(), key=lambda same: (min(n.rank for _, n in same), same[0][1].pair.clip_id, str(same[0][1].pair.audio))
    )
    return tuple(_retrieved(analysis, clip, same) for same in ordered)


def _retrieved(analysis: LongtailAnalysis, clip: str, same: Sequence[tuple[Use, Neighbour]]) -> Retrieved:
    pair, uses = same[0][1].pair, tuple(use for use, _ in same)
    if pair.audio is None:
        return Retrieved(pair.caption, None, uses, note="The system names no audio file for it.")
    system = next((s.name for s in analysis.systems if s.kind == "generated" and s.clips.get(clip) == pair.audio), "")
    if system or min(use.rank for use in uses) > PLAYED:
        return Retrieved(pair.caption, None, uses, played_as=system)
    return Retrieved(pair.caption, pair.audio, uses)


def anchors_by_label(listening: Listening) -> dict[str, tuple[str, ...]]:
    """Label -> anchors of the prompts on the page that carry it (trusted labels only)."""
    anchors: dict[str, list[str]] = {}
    for item in listening.chosen:
        for label in item.prompt.labels if item.prompt.labels_known else ():
            anchors.setdefault(label, []).append(item.anchor)
    return {label: tuple(each) for label, each in anchors.items()}
