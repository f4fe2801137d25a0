"""Non-inferiority and equivalence of systems by a margin.

The margin is the largest difference in the primary metric that counts as none. It is fixed before scoring. Each system is compared with
each control, by the standard error and degrees of freedom of the interval of their difference:

- non-inferior: the difference, turned so that more is better, lies above -margin. One-sided t test at ``LEVEL_NONINFERIOR``; with one test
  this is where the 95 % interval lies above -margin;
- equivalent: the difference lies between -margin and margin. Two one-sided t tests (TOST; Schuirmann 1987, Journal of Pharmacokinetics and
  Biopharmaceutics 15), each at ``LEVEL_EQUIVALENT``; with one test this is where the 90 % interval lies inside.

Holm's correction runs over the systems, controls and means of the confirmatory family, for either question by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy import stats as sps

from reaudio_eval.clips.system import Role
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.families import Family
from reaudio_eval.statistics.intervals import holm
from reaudio_eval.statistics.rows import Row
from reaudio_model.common.errors import ReaudioError

LEVEL_NONINFERIOR = 0.025  # one-sided: that of a 95 % interval
LEVEL_EQUIVALENT = 0.05  # of each of two one-sided tests: that of a 90 % interval
NOT_MEANS = ("gap_head_tail", "slope")  # quantities in another unit than the metric's, or without a better side


@dataclass(frozen=True)
class Margin:
    """A difference that counts as none.

    Attributes:
        value: above 0.
        metric: name of the metric in whose unit it is; "" for the primary metric, whichever that is.
    """

    value: float
    metric: str = ""


class MarginTests(NamedTuple):
    """One-sided p-values; NaN without a standard error.

    Attributes:
        noninferior: that the difference is -margin or worse.
        equivalent: the larger of those that it is -margin or below, and margin or above.
    """

    noninferior: float
    equivalent: float


def check_margin(value: float, metric: MetricInfo) -> Margin:
    """The margin of a metric.

    Raises:
        ReaudioError: it is 0 or less, not smaller than the whole range of the metric, or the metric has no better side.
    """
    if not 0 < value < math.inf:
        raise ReaudioError(f"--margin must be more than 0, not {value:g}: it is the largest difference that counts as none.")
    if not metric.directed:
        raise ReaudioError(
            f"--margin needs a metric of which more or less is better, which {metric.title} is not: name another --primary."
        )
    low, high = metric.range
    if low is not None and high is not None and value >= high - low:
        raise ReaudioError(
            f"--margin {value:g} is not smaller than the range of {metric.title}, {low:g} to {high:g}, so that it excludes nothing: give a "
            "smaller one."
        )
    return Margin(value, metric.name)


def margin_tests(difference: float, se: float, df: float, margin: float, *, higher_is_better: bool) -> MarginTests:
    """The tests of one difference (system - control).

    Args:
        difference: float, in the unit of the metric.
        se, df: standard error, above 0, and its degrees of freedom.
        margin: above 0.
        higher_is_better: direction of the metric.
    """
    if not se > 0 or not math.isfinite(df):
        return MarginTests(math.nan, math.nan)
    gain = difference if higher_is_better else -difference
    above_lower = float(sps.t.sf((gain + margin) / se, df))
    below_upper = float(sps.t.cdf((gain - margin) / se, df))
    return MarginTests(above_lower, max(above_lower, below_upper))


def with_margin(rows: Sequence[Row], roles: Mapping[str, Role], metric: MetricInfo, margin: Margin) -> list[Row]:
    """Rows of ``paired`` with ``p_noninferior`` and ``p_equivalent``, corrected, of the means of systems against controls.

    Args:
        rows: of :func:`reaudio_eval.statistics.paired.paired_rows`, with their family and the standard errors of their differences.
        roles: system -> its role.
        metric: that of the margin, the primary one.
        margin: of :func:`check_margin`.
    """
    tested: dict[int, MarginTests] = {}
    for place, row in enumerate(rows):
        a, b = row["system_a"], row["system_b"]
        if row["family"] != "confirmatory" or row["quantity"] in NOT_MEANS or not _against_control(roles, a, b):
            continue
        sign = 1 if roles[a] == "system" else -1
        better = metric.higher_is_better
        tested[place] = margin_tests(sign * row["difference"], row["se"], row["df"], margin.value, higher_is_better=better)
    corrected = {
        name: dict(zip(tested, holm([getattr(each, name) for each in tested.values()]), strict=True))
        for name in MarginTests._fields
    }
    return [
        dict(row) | {f"p_{name}": p.get(place, math.nan) for name, p in corrected.items()} for place, row in enumerate(rows)
    ]


def n_margin_tests(family: Family, roles: Mapping[str, Role]) -> int:
    """Tests of a margin in a report with this confirmatory family, for either question."""
    pairs = sum(_against_control(roles, a, b) for a, b in family.pairs)
    return pairs * sum(quantity not in NOT_MEANS for quantity in family.quantities)


def _against_control(roles: Mapping[str, Role], a: str, b: str) -> bool:
    return {roles[a], roles[b]} == {"system", "control"}
