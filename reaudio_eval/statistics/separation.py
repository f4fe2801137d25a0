"""Systems that differ significantly from the best one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd

from reaudio_eval.clips.roles import competing
from reaudio_eval.frames.rows import records
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.thresholds import ALPHA


@dataclass(frozen=True)
class Separation:
    """The best system of one column, and the paired tests of the others against it.

    Attributes:
        leader: system with the best value, or None when no system has one.
        beaten: significantly different from the leader.
        within_noise: tested, not significantly different from it.
        untested: no test could be made.
        detectable: median smallest detectable difference between the leader and the others, or NaN.
    """

    leader: str | None
    beaten: tuple[str, ...] = ()
    within_noise: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    detectable: float = math.nan

    def mark(self, system: str) -> str:
        """ "best": significantly different from every other system; "near": not so from the leader, while others are."""
        if not self.beaten:
            return ""
        if system == self.leader:
            return "near" if self.within_noise or self.untested else "best"
        return "near" if system in self.within_noise else ""


def separate(values: Mapping[str, float], paired: pd.DataFrame, metric: MetricInfo, quantity: str) -> Separation:
    """Compare the best of ``values`` (system -> value) with the others by the rows of ``LongtailAnalysis.paired``. A neutral
    metric has no best, nor has one with a target: a test of a difference does not say which of two systems is nearer to it."""
    if not metric.directed:
        return Separation(None)
    known = {s: v for s, v in values.items() if math.isfinite(v)}
    if not known:
        return Separation(None)
    leader = (max if metric.higher_is_better else min)(known, key=lambda s: known[s])
    rows = paired[(paired["metric"] == metric.name) & (paired["quantity"] == quantity)]
    groups: dict[str, list[str]] = {"beaten": [], "near": [], "untested": []}
    detectable = []
    for other in known:
        if other == leader:
            continue
        pair = next(
            (r for r in records(rows) if {r.system_a, r.system_b} == {leader, other} and math.isfinite(r.p_holm)), None
        )
        if pair is None:
            groups["untested"].append(other)
            continue
        groups["beaten" if pair.p_holm < ALPHA and _favours(leader, pair, metric) else "near"].append(other)
        detectable.append(pair.detectable)
    finite = [d for d in detectable if math.isfinite(d)]
    beaten, near, untested = (tuple(names) for names in groups.values())
    return Separation(leader, beaten, near, untested, median(finite) if finite else math.nan)


def _favours(leader: str, pair: Any, metric: MetricInfo) -> bool:
    """Whether the paired difference has the sign of the overall difference (class and clip averages can disagree)."""
    leads = pair.difference if pair.system_a == leader else -pair.difference
    return bool(leads > 0) == metric.higher_is_better


def overall_separation(analysis: LongtailAnalysis, metric: MetricInfo) -> Separation:
    """The leader over all clips."""
    rows = analysis.overall[analysis.overall["metric"] == metric.name]
    values = dict(zip(rows["system"], rows["value"], strict=True))
    return separate({s: values.get(s, math.nan) for s in competing(analysis.systems)}, analysis.paired, metric, "all")
