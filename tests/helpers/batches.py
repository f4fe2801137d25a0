"""Checks that an embedder's features do not depend on the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from reaudio_eval.features.embedders import Embedder


def assert_independent_of_batch_and_order(
    embedder: Embedder, clips: Sequence[npt.NDArray[np.float32]], tolerance: float
) -> None:
    """Frames and logits of each clip alone equal those of all ``clips`` together, forwards and backwards, to ``tolerance``."""
    together, backwards = embedder.embed(clips), embedder.embed(clips[::-1])[::-1]
    for clip, *batched in zip(clips, together, backwards, strict=True):
        (alone,) = embedder.embed([clip])
        for features in batched:
            np.testing.assert_allclose(features.frames, alone.frames, rtol=tolerance, atol=tolerance)
            assert (features.logits is None) == (alone.logits is None)
            if features.logits is not None and alone.logits is not None:
                np.testing.assert_allclose(features.logits, alone.logits, rtol=tolerance, atol=tolerance)
