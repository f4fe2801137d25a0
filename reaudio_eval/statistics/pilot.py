"""Spread of the difference of two systems in a pilot, by its sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.class_table import class_table, score_arrays, summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import macro
from reaudio_eval.statistics.intervals import Estimate
from reaudio_eval.statistics.power import Spread
from reaudio_eval.statistics.scale import Scale
from reaudio_model.common.errors import ReaudioError


class Pilot(NamedTuple):
    """What a pilot says.

    Attributes:
        spread: of the difference. With one clip of each prompt of a system that generates, ``spread.seeds`` is 0 and ``spread.clips``
            holds what differs between seeds.
        difference: mean over classes, system - baseline, as observed.
        n_classes, n_clips: of the pilot with a difference.
        seeds_known: whether ``spread.seeds`` is known.
    """

    spread: Spread
    difference: Estimate
    n_classes: int
    n_clips: int
    seeds_known: bool


class _Seeds(NamedTuple):
    """variance: of one clip over seeds, NaN where unknown; share: mean of 1 / seeds over the values."""

    variance: float
    share: float


def pilot_spread(
    system: SystemScores,
    baseline: SystemScores,
    metric: MetricInfo,
    dataset: Dataset,
    strata: Sequence[Stratum],
    seed_sd: float | None = None,
) -> Pilot:
    """REML estimates of the mixed model of :mod:`reaudio_eval.statistics.mixed_model` on the differences of two systems.

    The standard deviation over seeds is that of the values of each prompt (``sd_values``), over both systems.

    Args:
        system, baseline: scored on the same clips.
        metric: of clips or labels.
        dataset, strata: of those clips.
        seed_sd: standard deviation of the difference of a clip over seeds, in place of the pilot's own.

    Raises:
        ReaudioError: a metric of sets of clips, a system without values of it, or fewer than two clips with values of both.
    """
    if metric.level == "set":
        raise ReaudioError(
            f"{metric.title} has one value for all clips, so a pilot does not show its spread: name another --metric."
        )
    table = class_table(dataset, strata)
    arrays = [score_arrays(each, table) for each in (system, baseline)]
    for each, array in zip((system, baseline), arrays, strict=True):
        if metric.name not in array:
            raise ReaudioError(f"{each.system.name} has no value of {metric.title}: name another --metric.")
    values = arrays[0][metric.name] - arrays[1][metric.name]
    difference = summarise(values, table, Scale.of(metric.range).difference())
    n_clips = difference.n_clips(difference.defined)
    if n_clips < 2:
        shared = "no clip" if n_clips == 0 else "1 clip"
        raise ReaudioError(
            f"{system.system.name} and {baseline.system.name} share {shared} with known classes and values of {metric.title}: a pilot "
            "needs at least 2."
        )
    context = Context(table)
    fit = context.fit(difference)
    noise = fit.noise_variance * (1 + fit.structure.rho)
    sides = [_over_seeds(each, metric.name) for each in (system, baseline)]
    variance, part = _shared(sides, seed_sd)
    return Pilot(
        Spread(math.sqrt(fit.class_variance), math.sqrt(max(0.0, noise - part)), math.sqrt(variance)),
        macro(difference, difference.defined, context),
        int(difference.defined.sum()),
        n_clips,
        seed_sd is not None or any(math.isfinite(side.variance) for side in sides),
    )


def _over_seeds(scores: SystemScores, metric: str) -> _Seeds:
    """How the values of a clip of one system scatter over seeds; not at all where nothing is drawn."""
    if scores.system.kind != "generated" or scores.system.role == "copy":
        return _Seeds(0.0, 1.0)
    rows = scores.scores[scores.scores["metric"] == metric]
    if "sd_values" not in rows.columns or not rows["sd_values"].notna().any():
        return _Seeds(math.nan, 1.0)
    rows = rows[rows["sd_values"].notna()]
    share = 1 / rows["n_values"].to_numpy(dtype=np.float64)
    return _Seeds(float((rows["sd_values"].to_numpy(dtype=np.float64) ** 2).mean()), float(share.mean()))


def _shared(sides: Sequence[_Seeds], seed_sd: float | None) -> tuple[float, float]:
    """Variance of the difference of a clip over seeds, and what of it is left in the pilot's means over seeds.

    A system with one clip of each prompt is taken to vary like the other.
    """
    if seed_sd is not None:
        return seed_sd**2, seed_sd**2 * sum(side.share for side in sides) / 2
    known = [side.variance for side in sides if math.isfinite(side.variance) and side.variance > 0]
    usual = float(np.mean(known)) if known else 0.0
    variances = [side.variance if math.isfinite(side.variance) else usual for side in sides]
    return sum(variances), sum(v * side.share for v, side in zip(variances, sides, strict=True))
