"""Checking the values that a metric gives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from reaudio_eval.features.feature_set import FloatArray, IntArray, Undefined
from reaudio_eval.scores.metrics import ClipMetric, LabelMetric, LabelValue, Metric, MetricInput, SetMetric, Subset
from reaudio_eval.scores.system_scores import Range
from reaudio_model.common.errors import ReaudioError

ROUNDING = 1e-3  # beyond the range of a metric


def clip_values(definition: ClipMetric, name: str, inputs: MetricInput) -> FloatArray:
    """float64 (n,): the value of each clip, NaN where it is undefined.

    Args:
        definition: of the metric.
        name: its full name, for messages.
        inputs: its input.

    Raises:
        ReaudioError: not one real number for each clip, an infinite one, or one outside the metric's range.
    """
    found = np.asarray(definition.compute(inputs))
    if found.shape != (len(inputs.generated),) or found.dtype.kind not in "fiub":
        raise _wrong(definition, name, "one real number for each clip, NaN where it is undefined")
    values: FloatArray = found.astype(np.float64)
    _check_range(definition, name, values[~np.isnan(values)])
    return values


def label_values(definition: LabelMetric, name: str, inputs: MetricInput) -> list[LabelValue]:
    """The values of (clip, label) pairs, NaN where one is undefined; arguments as for :func:`clip_values`.

    Raises:
        ReaudioError: a row that is not there, a label that the prompt does not have, a pair twice, or see :func:`clip_values`.
    """
    values = list(definition.compute(inputs))
    pairs = [(v.row, v.label) for v in values]
    known = {(row, label) for row, prompt in enumerate(inputs.prompts) for label in prompt.labels}
    if len(set(pairs)) < len(pairs) or not known.issuperset(pairs):
        raise _wrong(definition, name, "one value for each clip (row) and label of its prompt, and no others")
    if not all(_is_real(v.value) for v in values):
        raise _wrong(definition, name, "real numbers, NaN where one is undefined")
    _check_range(definition, name, [v.value for v in values if not math.isnan(v.value)])
    return values


def set_values(definition: SetMetric, name: str, inputs: MetricInput, subsets: Sequence[Subset]) -> list[float | Undefined]:
    """The value of each subset; arguments as for :func:`clip_values`.

    Raises:
        ReaudioError: not one real number or ``Undefined`` for each subset, NaN, or see :func:`clip_values`.
    """
    values = list(definition.compute(inputs, subsets))
    if len(values) != len(subsets) or not _numbers_or_reasons(values):
        raise _wrong(definition, name, "a number for each subset, or Undefined with the reason (not NaN)")
    _check_range(definition, name, [v for v in values if not isinstance(v, Undefined)])
    return values


def set_replicates(definition: SetMetric, name: str, inputs: MetricInput, rows: IntArray) -> list[float | Undefined]:
    """The metric's own replicates over ``rows``; other arguments as for :func:`clip_values`.

    Raises:
        ReaudioError: not one real number or ``Undefined`` for each group, NaN, or see :func:`clip_values`.
    """
    assert definition.replicates is not None
    values = list(definition.replicates(inputs, rows))
    if not values or not _numbers_or_reasons(values):
        raise _wrong(definition, name, "a replicate for each of its groups, or Undefined with the reason (not NaN)")
    _check_range(definition, name, [v for v in values if not isinstance(v, Undefined)])
    return values


def _numbers_or_reasons(values: Sequence[object]) -> bool:
    return all(isinstance(v, Undefined) or (_is_real(v) and not math.isnan(v)) for v in values)  # type: ignore[arg-type]


def _is_real(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)


def outside(values: FloatArray, allowed: Range) -> bool:
    """Whether a value is outside a metric's range by more than rounding."""
    low, high = allowed
    below = low is not None and bool((values < low - ROUNDING).any())
    return below or (high is not None and bool((values > high + ROUNDING).any()))


def _check_range(definition: Metric, name: str, values: Iterable[float]) -> None:
    given = np.fromiter(values, dtype=np.float64)
    if not np.isfinite(given).all():
        raise _wrong(definition, name, "finite numbers")
    if outside(given, definition.range):
        low, high = ("any" if bound is None else f"{bound:g}" for bound in definition.range)
        worst = given.min() if definition.range.low is not None and given.min() < definition.range.low else given.max()
        raise _wrong(definition, name, f"values in its range ({low} to {high}), not {worst:g}")


def _wrong(definition: Metric, name: str, wanted: str) -> ReaudioError:
    code = getattr(definition.compute, "__code__", None)
    file = f" ({code.co_filename})" if code else ""
    return ReaudioError(f"The metric {name}{file} must give {wanted}: correct its plug-in.")
