"""Set values of earlier versions: what is no longer shown is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reaudio_eval.scores.set_metrics import ALL, OWN_GROUPS
from reaudio_eval.scores.system_scores import MetricInfo

SPREAD_OF_DRAWS = "spread of "  # how the method of an interval in a stratum began
TOO_WIDE = "no interval: that of the version that scored it was too wide; score the clips again"


def still_shown(metrics: Sequence[MetricInfo]) -> tuple[MetricInfo, ...]:
    """The metrics without the spread of the inception score over its splits, which is no quality of a system."""
    return tuple(m for m in metrics if m.role != "spread")


def corrected(set_values: pd.DataFrame, metrics: Sequence[MetricInfo]) -> pd.DataFrame:
    """``frames.scores.SET_VALUES`` of the metrics given, without inception scores of strata, and without intervals and replicates of
    inception scores by random groups and of strata by the spread of single draws (``benchmarks/set_metrics.py``)."""
    names, diverse = {m.name for m in metrics}, {m.name for m in metrics if m.role == "diversity"}
    of_diversity = set_values["metric"].isin(diverse)
    kept = set_values["metric"].isin(names) & ~(of_diversity & (set_values["stratum"] != ALL))
    found, method = set_values[kept].reset_index(drop=True), set_values.loc[kept, "ci_method"].fillna("").to_numpy(dtype=str)
    by_groups = of_diversity[kept].to_numpy() & ~np.char.startswith(method, OWN_GROUPS) & found["ci_low"].notna().to_numpy()
    wide = by_groups | np.char.startswith(method, SPREAD_OF_DRAWS)
    found.loc[wide, ["ci_low", "ci_high"]] = np.nan
    found.loc[wide, "ci_method"] = "none"
    found.loc[wide, "reason"] = TOO_WIDE
    found["replicates"] = [[] if w else r for w, r in zip(wide, found["replicates"], strict=True)]
    return found
