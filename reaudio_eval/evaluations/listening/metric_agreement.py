"""Agreement of metrics with participants: rank correlations and choices.

Over generated systems only: real audio is rated so much higher that every metric would agree. The sign of metrics whose lower values are
better is changed, so that 1 is always perfect agreement. Clips: prompts are resampled, participants are fixed (their disagreement already
lowers the correlation; see ``split_half``). Systems: participants and prompts are resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as sps

from reaudio_eval.evaluations.listening import ranks
from reaudio_eval.evaluations.listening.resampling import MIN_BOOTSTRAP, Draws, percentile_interval, pigeonhole, unit_counts
from reaudio_eval.scores.jackknife import Floats, no_interval
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.intervals import Estimate, undefined

MIN_CORRELATED = 5
MIN_SYSTEMS = 3
Row = dict[str, Any]


def metric_rows(
    metric: MetricInfo, scores: pd.DataFrame, whole: Mapping[str, float], ratings: pd.DataFrame, draws: Draws
) -> Iterator[Row]:
    """Rows (level, statistic, value, ci_low, ci_high, n, reason) of one metric and one question.

    Args:
        metric: clip, label or set level.
        scores: prompt, system, score: the metric's value of each clip; empty for a set metric.
        whole: system -> value over its whole set, for set metrics.
        ratings: participant, prompt, system, value: of generated systems.
        draws: bootstrap counts.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    if metric.level == "set":
        yield from _system_rows(ratings, None, {s: sign * v for s, v in whole.items()}, draws)
        return
    means = ratings.groupby(["prompt", "system"], as_index=False)["value"].mean()
    clips = means.merge(scores.assign(score=sign * scores["score"]), on=["prompt", "system"]).sort_values(
        ["prompt", "system"]
    )
    yield from _clip_rows(clips, draws)
    yield _choice_row(clips, draws)
    yield from _system_rows(ratings, clips, {}, draws)


def _row(level: str, statistic: str, estimate: Estimate, n: int) -> Row:
    value, interval = estimate
    ends = {"ci_low": interval.low, "ci_high": interval.high, "reason": interval.reason}
    return {"level": level, "statistic": statistic, "value": value, "n": n} | ends


def _clip_rows(clips: pd.DataFrame, draws: Draws) -> Iterator[Row]:
    x, y = clips["score"].to_numpy(dtype=np.float64), clips["value"].to_numpy(dtype=np.float64)
    for name, statistic in (("spearman", ranks.spearman), ("kendall", ranks.kendall)):
        if len(clips) < MIN_CORRELATED:
            yield _row(
                "clip", name, undefined(f"{len(clips)} clips have both: a correlation needs {MIN_CORRELATED}"), len(clips)
            )
            continue
        value = float(statistic(np.ones((1, len(x))), x, y)[0])
        if not np.isfinite(value):
            yield _row("clip", name, undefined("all clips have the same value"), len(clips))
            continue
        yield _row("clip", name, _over_prompts(value, clips, partial(statistic, x=x, y=y), draws), len(clips))


def _over_prompts(value: float, clips: pd.DataFrame, statistic: Callable[[Floats], Floats], draws: Draws) -> Estimate:
    n = clips["prompt"].nunique()
    if n < MIN_BOOTSTRAP:
        return Estimate(value, no_interval(f"{n} prompts: an interval needs at least {MIN_BOOTSTRAP}"))
    drawn = statistic(unit_counts(clips["prompt"], "prompts", draws))
    return Estimate(value, percentile_interval(drawn, n - 1, "prompts"))


def _choice_row(clips: pd.DataFrame, draws: Draws) -> Row:
    """Proportion of pairs of clips of a prompt in which the metric and the participants prefer the same one; a tie of the metric is half
    right, pairs on which the participants tie are left out."""
    pairs = clips.merge(clips, on="prompt", suffixes=("", "_b"))
    pairs = pairs[(pairs["system"] < pairs["system_b"]) & (pairs["value"] != pairs["value_b"])]
    if pairs.empty:
        return _row("choice", "accuracy", undefined("no prompt has two clips with different ratings"), 0)
    x, y = ((pairs[c] - pairs[f"{c}_b"]).to_numpy(dtype=np.float64) for c in ("score", "value"))
    right = (np.sign(x) * np.sign(y) + 1) / 2
    estimate = _over_prompts(float(right.mean()), pairs, partial(ranks.mean, y=right), draws)
    return _row("choice", "accuracy", estimate, len(pairs))


def _system_rows(
    ratings: pd.DataFrame, clips: pd.DataFrame | None, whole: Mapping[str, float], draws: Draws
) -> Iterator[Row]:
    """Correlations of system means; a set metric has one value a system, which no resampling changes."""
    scored = sorted(set(whole) if clips is None else set(clips["system"]))
    systems = [s for s in scored if (ratings["system"] == s).any()]
    n = len(systems)
    for name, statistic in (("spearman", _spearman), ("kendall", _kendall)):
        if n < MIN_SYSTEMS:
            yield _row("system", name, undefined(f"{n} generated systems have both: a correlation needs {MIN_SYSTEMS}"), n)
            continue
        listeners, metric = _system_means(ratings, clips, whole, systems, draws)
        value = float(statistic(metric[:1], listeners[:1])[0])
        if not np.isfinite(value):
            yield _row("system", name, undefined("all systems have the same value"), n)
            continue
        smallest = min(ratings["prompt"].nunique(), ratings["participant"].nunique())
        if smallest < 2:
            why = "one participant or one prompt: an interval needs at least 2 of each"
            yield _row("system", name, Estimate(value, no_interval(why)), n)
        else:
            drawn = statistic(metric[1:], listeners[1:])
            interval = percentile_interval(drawn, smallest - 1, "participants and prompts")
            yield _row("system", name, Estimate(value, interval), n)


def _system_means(
    ratings: pd.DataFrame, clips: pd.DataFrame | None, whole: Mapping[str, float], systems: list[str], draws: Draws
) -> tuple[Floats, Floats]:
    """Listeners' and metric's means by system, float64 (1 + draws, S): row 0 the data, then the samples."""
    weights = pigeonhole(ratings["participant"], ratings["prompt"], draws)
    listeners = _means(ratings, "value", weights, systems)
    if clips is None:
        return listeners, np.tile([whole[s] for s in systems], (len(listeners), 1))
    return listeners, _means(clips, "score", unit_counts(clips["prompt"], "prompts", draws), systems)


def _means(frame: pd.DataFrame, column: str, weights: Floats, systems: list[str]) -> Floats:
    weights = np.vstack([np.ones((1, len(frame))), weights])
    member = (frame["system"].to_numpy(dtype=object)[:, None] == np.array(systems, dtype=object)).astype(np.float64)
    total = weights @ member
    out = np.full(total.shape, np.nan)
    np.divide(weights @ (member * frame[column].to_numpy(dtype=np.float64)[:, None]), total, out=out, where=total > 0)
    return out


def _spearman(a: Floats, b: Floats) -> Floats:
    """Row by row, float64 (B, S) each -> (B,); NaN where a row is constant."""
    ranks = [sps.rankdata(x, axis=1) - (x.shape[1] + 1) / 2 for x in (a, b)]
    return _normalised((ranks[0] * ranks[1]).sum(axis=1), *((r**2).sum(axis=1) for r in ranks))


def _kendall(a: Floats, b: Floats) -> Floats:
    """Tau-b row by row."""
    i, j = np.triu_indices(a.shape[1], 1)
    signs = [np.sign(x[:, i] - x[:, j]) for x in (a, b)]
    return _normalised((signs[0] * signs[1]).sum(axis=1), *(np.abs(s).sum(axis=1) for s in signs))


def _normalised(cross: Floats, own_a: Floats, own_b: Floats) -> Floats:
    spread = np.sqrt(own_a * own_b)
    out = np.full(len(cross), np.nan)
    np.divide(cross, spread, out=out, where=spread > 0)
    return out
