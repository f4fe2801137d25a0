"""Set values of earlier versions: what is no longer shown is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reaudio_eval.scores.set_metrics import ALL, OWN_GROUPS
from reaudio_eval.scores.system_scores import MetricInfo

SPREAD_OF_DRAWS = "spread of "  # how the method of an interval in a stratum began
TOO_WIDE = "no interval: that of the version that scored it was too wide; score the clips again"
OTHER_SIZE = "scored by a version that compared strata at another number of clips; score the clips again"


def still_shown(metrics: Sequence[MetricInfo]) -> tuple[MetricInfo, ...]:
    """The metrics without the spread of the inception score over its splits, which is no quality of a system."""
    return tuple(m for m in metrics if m.role != "spread")


def corrected(set_values: pd.DataFrame, metrics: Sequence[MetricInfo]) -> pd.DataFrame:
    """``frames.scores.SET_VALUES`` of the metrics given, without what newer runs do not have: inception scores of strata, intervals and
    replicates of inception scores by random groups (both ``benchmarks/set_metrics.py``), values of strata at another number of clips."""
    names, diverse = {m.name for m in metrics}, {m.name for m in metrics if m.role == "diversity"}
    in_stratum = set_values["stratum"] != ALL
    kept = set_values["metric"].isin(names) & ~(set_values["metric"].isin(diverse) & in_stratum)
    found = set_values[kept].reset_index(drop=True)
    method = found["ci_method"].fillna("")
    other_size = method.str.startswith(SPREAD_OF_DRAWS)
    wide = found["metric"].isin(diverse) & found["ci_low"].notna() & ~method.str.startswith(OWN_GROUPS)
    found.loc[other_size, ["value", "matched", "floor"]] = np.nan
    for rows, reason in ((other_size, OTHER_SIZE), (wide, TOO_WIDE)):
        found.loc[rows, ["ci_low", "ci_high"]] = np.nan
        found.loc[rows, "ci_method"] = "none"
        found.loc[rows, "reason"] = reason
    found["replicates"] = [[] if without else r for without, r in zip(wide | other_size, found["replicates"], strict=True)]
    return found
