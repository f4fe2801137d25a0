"""Scores of several clips of each prompt: means over seeds.

A value of a clip or label is the mean over the seeds that have one; how far they scatter is kept beside it. A set metric is computed for
each seed and averaged, also with each group of prompts left out: it then has the bias in the number of clips that it has with one
clip for each prompt, and the same floor. Pooled clips of all seeds would have another bias, and pairs of clips of one prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from reaudio_eval.features.feature_set import Undefined
from reaudio_eval.frames.scores import SCORES, SEED_VALUES

SetValues = list[float | Undefined]


def mean_scores(by_seed: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """``frames.scores.SCORES`` with the mean, number and standard deviation of the values of each clip, or clip and label.

    Args:
        by_seed: seed -> its values, each ``frames.scores.SCORES`` without the optional columns.
    """
    every = pd.concat(by_seed.values(), ignore_index=True)
    keys = ["metric", "clip_id", "label"]
    values = every.groupby(keys, sort=False, dropna=False)["value"].agg(["mean", "count", "std"]).reset_index()
    found = pd.DataFrame(
        {
            "clip_id": values["clip_id"],
            "metric": values["metric"],
            "label": values["label"].astype(object).where(values["label"].notna(), None),
            "value": values["mean"].astype(np.float64),
            "n_values": values["count"].astype("Int64"),
            "sd_values": values["std"].astype(np.float64),
        }
    )
    return SCORES.check(found)


def mean_set_values(by_seed: Sequence[SetValues]) -> SetValues:
    """The mean over seeds of the values of each subset of clips; undefined where that of a seed is."""

    def mean(values: Sequence[float | Undefined]) -> float | Undefined:
        undefined = next((v for v in values if isinstance(v, Undefined)), None)
        return float(np.mean(np.asarray(values, dtype=np.float64))) if undefined is None else undefined

    return [mean(values) for values in zip(*by_seed, strict=True)]


def seed_values(scores: Mapping[int, pd.DataFrame], sets: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """``frames.scores.SEED_VALUES`` of values of clips and labels, and of rows of set metrics."""
    clips = [frame[SCORES.required].assign(seed=seed, stratum=None) for seed, frame in scores.items()]
    every = pd.concat([*clips, SEED_VALUES.frame(sets)], ignore_index=True) if clips else SEED_VALUES.frame(sets)
    return SEED_VALUES.check(SEED_VALUES.cast(every.astype({"label": object, "stratum": object})))
