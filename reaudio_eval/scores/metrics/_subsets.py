"""Subsets of clips as weights, and subsets without a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from reaudio_eval.features.feature_set import FeatureSet, IntArray, Undefined
from reaudio_eval.scores.metrics import Subset

NO_REFERENCE = Undefined("needs reference audio")


def membership(rows: Sequence[IntArray], n: int) -> npt.NDArray[np.float64]:
    """float64 (len(rows), n): how often row j occurs in subset i (0 or 1 for a subset without repetition)."""
    return np.stack([np.bincount(r, minlength=n) for r in rows]).astype(np.float64)


def too_small(subset: Subset, minimum: int = 2) -> Undefined | None:
    """The reason why a subset with fewer than ``minimum`` clips on a side has no value, or None if it has enough."""
    n_generated, n_reference = len(subset.generated), len(subset.reference)
    if min(n_generated, n_reference) >= minimum:
        return None
    return Undefined(
        f"needs at least {minimum} generated and {minimum} reference clips; there are {n_generated} and {n_reference}"
    )


def not_finite(*features: FeatureSet) -> Undefined | None:
    """The reason why features with NaN or infinity give no value (it names the first such clip), or None if all is well."""
    for feature_set in features:
        bad = ~np.logical_and.reduceat(np.isfinite(feature_set.frames).all(axis=1), feature_set.offsets[:-1])
        if feature_set.logits is not None:
            bad |= ~np.isfinite(feature_set.logits).all(axis=1)
        if bad.any():
            clip = feature_set.clip_ids[int(bad.argmax())]
            return Undefined(f"the {feature_set.embedder} features of clip {clip} are not finite")
    return None


def evaluate(
    subsets: Sequence[Subset],
    undefined: Callable[[Subset], Undefined | None],
    values: Callable[[list[Subset]], Sequence[float]],
) -> list[float | Undefined]:
    """The value of each subset, in order: the reason ``undefined`` gives, or else its turn in ``values``, which sees the
    defined subsets all at once and may share work among them."""
    reasons = [undefined(subset) for subset in subsets]
    defined = [subset for subset, reason in zip(subsets, reasons, strict=True) if reason is None]
    computed = iter(values(defined) if defined else ())
    return [float(next(computed)) if reason is None else reason for reason in reasons]
