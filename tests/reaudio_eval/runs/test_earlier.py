"""Set values of earlier versions: inception scores of strata, intervals that were too wide, the spread over splits."""

from __future__ import annotations

import math

import pandas as pd

from reaudio_eval.frames.scores import SET_VALUES
from reaudio_eval.runs.earlier import OTHER_SIZE, TOO_WIDE, corrected, still_shown
from reaudio_eval.scores.system_scores import MetricInfo

METRICS = (
    MetricInfo("fd_net", "FD", "set", False, "", "net", role="distance"),
    MetricInfo("is_net", "IS", "set", True, "", "net", role="diversity"),
    MetricInfo("is_std_net", "IS: spread", "set", False, "", "net", role="spread"),
)
GROUPS = "delete-a-group jackknife (20 groups)"
DRAWS = "spread of 20 size-matched draws"
SPLITS = "jackknife over the metric's own splits (10 groups)"


def row(metric: str, stratum: str, method: str, reason: str | None = None) -> dict[str, object]:
    low, high = (math.nan, math.nan) if method == "none" else (1.5, 2.5)
    return {
        "metric": metric, "stratum": stratum, "value": 2.0, "replicates": [1.9, 2.1], "ci_low": low, "ci_high": high,
        "ci_method": method, "n_clips": 40, "reason": reason,
    }  # fmt: skip


def values(*rows: dict[str, object]) -> pd.DataFrame:
    return corrected(SET_VALUES.frame(rows), still_shown(METRICS)).set_index(["metric", "stratum"])


def test_the_spread_over_splits_is_no_metric() -> None:
    assert [m.name for m in still_shown(METRICS)] == ["fd_net", "is_net"]
    assert list(values(row("fd_net", "all", GROUPS), row("is_std_net", "all", "none")).index) == [("fd_net", "all")]


def test_inception_scores_of_strata_are_left_out() -> None:
    found = values(row("is_net", "all", SPLITS), row("is_net", "head", DRAWS), row("fd_net", "head", DRAWS))
    assert list(found.index) == [("is_net", "all"), ("fd_net", "head")]


def test_intervals_that_were_too_wide_are_left_out_with_the_reason() -> None:
    found = values(row("is_net", "all", GROUPS)).iloc[0]
    assert (found["value"], found["ci_method"], found["reason"], found["replicates"]) == (2.0, "none", TOO_WIDE, [])
    assert math.isnan(found["ci_low"])


def test_values_at_another_number_of_clips_are_left_out_with_the_reason() -> None:
    found = values(row("fd_net", "head", DRAWS)).iloc[0]
    assert math.isnan(found["value"])
    assert math.isnan(found["ci_high"])
    assert (found["reason"], found["replicates"]) == (OTHER_SIZE, [])


def test_intervals_that_hold_are_kept() -> None:
    found = values(row("is_net", "all", SPLITS), row("fd_net", "all", GROUPS), row("fd_net", "tail", "none", "too few"))
    assert found["ci_low"].tolist()[:2] == [1.5, 1.5]
    assert found["replicates"].tolist()[:2] == [[1.9, 2.1], [1.9, 2.1]]
    assert found["reason"].tolist() == [None, None, "too few"]
