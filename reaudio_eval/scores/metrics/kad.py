"""Kernel audio distance to the real audio: unbiased MMD^2.

Its expected value does not depend on the number of clips.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from reaudio_eval.features.feature_set import FloatArray, Undefined
from reaudio_eval.scores.metrics import MetricInput, SetMetric, Subset
from reaudio_eval.scores.metrics._subsets import NO_REFERENCE, evaluate, membership, not_finite, too_small
from reaudio_eval.scores.system_scores import Range

SCALE = 100.0  # the convention of kadtk, so that numbers can be compared
EQUAL = (
    1e-6  # of the longest embedding: distances come from inner products, in which equal rows differ by 1e-8 of their length
)

Float64 = npt.NDArray[np.float64]


def median_distance(embeddings: FloatArray) -> float:
    """Median Euclidean distance over all pairs of rows of ``embeddings``, float (n, d), n >= 2: the bandwidth."""
    squared = _squared_distances(embeddings, embeddings)
    return float(np.sqrt(np.median(squared[np.triu_indices_from(squared, k=1)])))


def kernel_audio_distance(
    generated: FloatArray,
    reference: FloatArray,
    bandwidth: float,
    subsets: Sequence[Subset] | None = None,
    *,
    paired: bool = False,
) -> Float64:
    """Unbiased MMD^2 x 100 with the Gaussian kernel ``exp(-|x - y|^2 / (2 bandwidth^2))`` (Gretton et al. 2012, JMLR
    13:723; as KAD Chung et al., arXiv 2502.15602).

    The diagonals of the two within-set kernels are dropped. Between the sets all pairs count (eq. 3, as in kadtk), unless
    rows are ``paired``: a generated and a real clip of one prompt are more alike than two clips drawn at random, which would
    make a good system's distance negative, so the pairs of one prompt are dropped there too (eq. 4).

    The bandwidth is a parameter, to be fixed over systems and subsets: here the median distance of all reference clips, which is also that
    of kadtk (@ 7ec65d7).

    Args:
        generated, reference: float (n, d) and (m, d), one independent row a clip.
        bandwidth: positive, in feature units.
        subsets: rows without repetition, at least 2 on each side; None means one subset with all rows.
        paired: row i of ``generated`` and row i of ``reference`` belong to the same prompt.

    Returns:
        float64 (len(subsets),), from about -200 / n to 200; 0 is expected between samples of one distribution.
    """
    if subsets is None:
        subsets = [Subset(np.arange(len(generated)), np.arange(len(reference)))]
    g = membership([s.generated for s in subsets], len(generated))
    r = membership([s.reference for s in subsets], len(reference))
    cross = _kernel(generated, reference, bandwidth)
    n_pairs = g.sum(axis=1) * r.sum(axis=1)
    if paired:
        np.fill_diagonal(cross, 0.0)
        n_pairs -= np.sum(g * r, axis=1)
    cross_mean = np.sum((g @ cross) * r, axis=1) / n_pairs
    within = _within_mean(generated, g, bandwidth) + _within_mean(reference, r, bandwidth)
    distance: Float64 = SCALE * (within - 2 * cross_mean)
    return distance


def _within_mean(embeddings: FloatArray, weights: Float64, bandwidth: float) -> Float64:
    """Mean kernel over the ordered pairs of different rows of each subset."""
    kernel = _kernel(embeddings, embeddings, bandwidth)
    np.fill_diagonal(kernel, 0.0)
    n = weights.sum(axis=1)
    mean: Float64 = np.sum((weights @ kernel) * weights, axis=1) / (n * (n - 1))
    return mean


def _kernel(x: FloatArray, y: FloatArray, bandwidth: float) -> Float64:
    return np.exp(_squared_distances(x, y) / (-2 * bandwidth**2))


def _squared_distances(x: FloatArray, y: FloatArray) -> Float64:
    """float64 (n, m), from inner products: an order of magnitude faster than a loop over pairs."""
    origin = y.mean(axis=0, dtype=np.float64)  # near the data: the differences below lose no digits that matter
    a, b = x - origin, y - origin
    squared: Float64 = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * (a @ b.T)
    return np.maximum(squared, 0.0)


def _kad(data: MetricInput, subsets: Sequence[Subset]) -> list[float | Undefined]:
    if data.reference is None:
        return [NO_REFERENCE] * len(subsets)
    broken = not_finite(data.generated, data.reference)
    if broken is None and len(data.reference) < 2:
        broken = Undefined("needs at least 2 reference clips to choose the kernel's bandwidth")
    if broken is not None:
        return [broken] * len(subsets)
    generated, reference = data.generated.clip_means, data.reference.clip_means
    bandwidth = median_distance(reference)
    if bandwidth <= EQUAL * np.linalg.norm(reference, axis=1).max():
        same = "half of the pairs of reference clips or more have the same embedding, so that the kernel has no bandwidth"
        return [Undefined(same)] * len(subsets)
    return evaluate(
        subsets,
        too_small,
        lambda defined: list(kernel_audio_distance(generated, reference, bandwidth, defined, paired=True)),
    )


METRICS = (
    SetMetric(
        name="kad_{embedder}",
        title="KAD",
        higher_is_better=False,
        unit="MMD² × 100",
        source="arXiv 2502.15602; unbiased MMD², Gaussian kernel, bandwidth the median distance of all reference clips; without the pairs "
        "of one prompt, on purpose unlike kadtk @ 7ec65d7",
        needs=frozenset({"reference"}),
        compute=_kad,
        role="distance",
        range=Range(-2 * SCALE, 2 * SCALE),  # unbiased, so below 0 by noise
        note=(
            "KAD leaves out the pairs of a generated and a real clip of one prompt; kadtk counts them, and its values are lower (below 0 "
            "for a good system)."
        ),
    ),
)
