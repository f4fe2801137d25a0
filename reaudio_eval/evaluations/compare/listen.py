"""Choice of the prompts that the comparison page plays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.evaluations.compare.tables import gain, position
from reaudio_eval.reports.listen import Items, Listening, clips_by_system, ranking_metric, shuffled
from reaudio_eval.reports.text import number
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo

Sources = dict[tuple[str, int | None], Mapping[str, Path]]


def select_pairs(comparison: Comparison, max_players: int) -> dict[str, Listening]:
    """System -> its prompts, each with the real audio, the baseline and the system side by side.

    Every system gets the same part of ``max_players``, of which a third goes to gains, a third to losses and the rest to random prompts
    (by a hash of the clip id, so the same in every run). Gains and losses are differences of the clip's primary metric; where that is no
    metric of clips, of the first that is. Systems without clips are left out.
    """
    sources = {system: _sources(comparison, system) for system in comparison.compared}
    sources = {system: players for system, players in sources.items() if players}
    metric = ranking_metric(comparison.analysis)
    chosen = {}
    for system, players in sources.items():
        budget = max_players // len(sources) // len(players)
        if budget:
            chosen[system] = _listening(comparison, system, players, metric, budget)
    return {system: listening for system, listening in chosen.items() if listening.groups}


def _sources(comparison: Comparison, system: str) -> Sources:
    """Reference, baseline, system; empty where one of the two has no clips."""
    every = clips_by_system(comparison.analysis)
    kinds = {s.name: s.kind for s in comparison.analysis.systems}
    reference = {source: clips for source, clips in every.items() if kinds.get(source[0], "real") == "real"}
    names = (comparison.baseline, system)
    pair: Sources = {(n, position(comparison, n)): every.get((n, position(comparison, n)), {}) for n in names}
    return {**reference, **pair} if all(pair.values()) else {}


def _listening(comparison: Comparison, system: str, sources: Sources, metric: MetricInfo | None, budget: int) -> Listening:
    sides = [sources[n, position(comparison, n)] for n in (comparison.baseline, system)]
    ids = [p.clip_id for p in comparison.analysis.prompts if all(p.clip_id in clips for clips in sides)]
    gains = {} if metric is None else clip_gains(comparison, metric, system)
    ranked = sorted((c for c in ids if c in gains), key=lambda c: (-gains[c], c))
    third = max(1, budget // 3)
    best = [c for c in ranked[:third] if gains[c] > 0]
    worst = [c for c in reversed(ranked[-third:]) if gains[c] < 0 and c not in best][: budget - len(best)]
    others = shuffled(ids, {*best, *worst})[: budget - len(best) - len(worst)]
    builder = Items(comparison.analysis, sources, f"p{position(comparison, system)}")
    groups = (("Largest gains", best), ("Largest losses", worst), ("Random", others))
    items = tuple(
        (title, tuple(builder.item(c, _reason(comparison, metric, gains.get(c))) for c in clips))
        for title, clips in groups
        if clips
    )
    return Listening(items, len(ids), metric)


def clip_gains(comparison: Comparison, metric: MetricInfo, system: str) -> dict[str, float]:
    """Clip -> gain of the system over the baseline, where both have a value."""
    frame = comparison.analysis.clip_scores
    frame = frame[(frame["metric"] == metric.name) & frame["system"].isin((comparison.baseline, system))]
    wide = (
        frame.pivot(index="clip_id", columns="system", values="value")
        .reindex(columns=[system, comparison.baseline])
        .dropna()
    )
    return {str(c): gain(metric, float(d)) for c, d in (wide[system] - wide[comparison.baseline]).items()}


def _reason(comparison: Comparison, metric: MetricInfo | None, value: float | None) -> str:
    if metric is None or value is None:
        return ""
    digits = metric_decimals(comparison.analysis, metric)
    return f"{metric.title}, difference from {comparison.baseline}: {number(gain(metric, value), digits, sign=True)}"
