"""Which prompts the comparison page plays: where a system gains most on the baseline, where it loses most, and a random rest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.evaluations.compare.tables import gain, position
from reaudio_eval.reports.listen import Items, Listening, clips_by_system, ranking_metric
from reaudio_eval.reports.text import number
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo

Sources = dict[tuple[str, int | None], Mapping[str, Path]]


def select_pairs(comparison: Comparison, max_players: int) -> dict[str, Listening]:
    """System -> its prompts, each with the real audio, the baseline and the system side by side.

    Every system gets the same share of ``max_players``, of which a third goes to gains, a third to losses and the rest to random prompts
    (by a hash of the clip id, so the same in every run). Gains and losses are differences of the clip's primary metric; where that is no
    metric of clips, of the first that is. Systems without clips are left out.
    """
    sources = {system: _sources(comparison, system) for system in comparison.compared}
    sources = {system: found for system, found in sources.items() if found}
    metric = ranking_metric(comparison.analysis)
    chosen = {}
    for system, players in sources.items():
        budget = max_players // len(sources) // len(players)
        if budget:
            chosen[system] = _listening(comparison, system, players, metric, budget)
    return {system: found for system, found in chosen.items() if found.groups}


def _sources(comparison: Comparison, system: str) -> Sources:
    """Reference, baseline, system; empty where one of the two has no clips."""
    every = clips_by_system(comparison.analysis)
    kinds = {s.name: s.kind for s in comparison.analysis.systems}
    landmark = {who: clips for who, clips in every.items() if kinds.get(who[0], "real") == "real"}
    names = (comparison.baseline, system)
    pair: Sources = {(n, position(comparison, n)): every.get((n, position(comparison, n)), {}) for n in names}
    return {**landmark, **pair} if all(pair.values()) else {}


def _listening(comparison: Comparison, system: str, sources: Sources, metric: MetricInfo | None, budget: int) -> Listening:
    sides = [sources[n, position(comparison, n)] for n in (comparison.baseline, system)]
    ids = [p.clip_id for p in comparison.analysis.prompts if all(p.clip_id in clips for clips in sides)]
    gains = {} if metric is None else clip_gains(comparison, metric, system)
    ranked = sorted((c for c in ids if c in gains), key=lambda c: (-gains[c], c))
    third = max(1, budget // 3)
    best = [c for c in ranked[:third] if gains[c] > 0]
    worst = [c for c in reversed(ranked[-third:]) if gains[c] < 0 and c not in best][: budget - len(best)]
    taken = {*best, *worst}
    shuffled = sorted((c for c in ids if c not in taken), key=lambda c: hashlib.sha256(c.encode()).hexdigest())
    build = Items(comparison.analysis, sources, f"p{position(comparison, system)}")
    groups = (("Largest gains", best), ("Largest losses", worst), ("Random", shuffled[: budget - len(taken)]))
    made = tuple(
        (title, tuple(build.item(c, _why(comparison, metric, gains.get(c))) for c in clips))
        for title, clips in groups
        if clips
    )
    return Listening(made, len(ids), metric)


def clip_gains(comparison: Comparison, metric: MetricInfo, system: str) -> dict[str, float]:
    """Clip -> what the system is better than the baseline, where both have a value."""
    frame = comparison.analysis.clip_scores
    frame = frame[(frame["metric"] == metric.name) & frame["system"].isin((comparison.baseline, system))]
    wide = (
        frame.pivot(index="clip_id", columns="system", values="value")
        .reindex(columns=[system, comparison.baseline])
        .dropna()
    )
    return {str(c): gain(metric, float(d)) for c, d in (wide[system] - wide[comparison.baseline]).items()}


def _why(comparison: Comparison, metric: MetricInfo | None, value: float | None) -> str:
    if metric is None or value is None:
        return ""
    digits = metric_decimals(comparison.analysis, metric)
    return f"{metric.title}, difference to {comparison.baseline}: {number(gain(metric, value), digits, sign=True)}"
