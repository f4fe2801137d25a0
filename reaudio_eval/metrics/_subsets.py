"""What the set metrics share: rows of subsets as weights, and the reasons a subset has no value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from reaudio_eval.metrics import Subset, Undefined
from reaudio_eval.records import FeatureSet, IntArray

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
        bad_frames = np.flatnonzero(~np.isfinite(feature_set.frames).all(axis=1))
        if bad_frames.size:
            clip = int(np.searchsorted(feature_set.offsets, bad_frames[0], side="right")) - 1
            return Undefined(f"the {feature_set.embedder} embedding of clip {feature_set.clip_ids[clip]} is not finite")
    return None
