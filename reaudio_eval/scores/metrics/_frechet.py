"""Frechet distance of Gaussians, exact for covariances of any rank.

With S = L L^T for both covariances, the eigenvalues of S1 S2 are the squared singular values of L1^T L2, so

    Tr sqrt(S1 S2) = || L1^T L2 ||_*    (the nuclear norm),

which never takes the square root of a singular matrix and never turns complex. Any factor L will do: the centred
features over sqrt(n - 1) where there are at most d rows, else the scaled eigenvectors of S. The matrix to decompose is
n x n or d x d, whichever is smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh, svdvals

from reaudio_eval.features.feature_set import FeatureSet, FloatArray, IntArray
from reaudio_eval.scores.metrics import Subset
from reaudio_eval.scores.metrics._subsets import membership
from reaudio_model.common.errors import ReaudioError

_BLOCK_BYTES = 1 << 26  # of second moments held at once, of clips and of subsets each: 64 MiB, 512 of VGGish

Float64 = npt.NDArray[np.float64]


class Gaussian(NamedTuple):
    """mean: float64 (d,); factor: float64 (d, r) with factor @ factor.T the covariance (ddof 1)."""

    mean: Float64
    factor: Float64


def fit(features: FloatArray) -> Gaussian:
    """The Gaussian of the rows of ``features``, float (n, d), n >= 2."""
    rows = np.asarray(features, dtype=np.float64)
    n, d = rows.shape
    mean = rows.mean(axis=0)
    centred = rows - mean
    if n <= d:
        return Gaussian(mean, centred.T / np.sqrt(n - 1))
    return Gaussian(mean, _covariance_factor(centred.T @ centred / (n - 1)))


def _covariance_factor(covariance: Float64) -> Float64:
    """float64 (d, r) with factor @ factor.T = covariance. Eigenvalues at rounding level are zero: a square root of
    1e-16 would otherwise come back as 1e-8."""
    values, vectors = eigh(covariance, driver="evd", check_finite=False)
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    factor: Float64 = vectors[:, kept] * np.sqrt(values[kept])
    return factor


def distance(a: Gaussian, b: Gaussian) -> float:
    """Squared Frechet (2-Wasserstein) distance of two Gaussians, in squared feature units; rounding below 0 is cut off."""
    shift = a.mean - b.mean
    cross = a.factor.T @ b.factor
    root_trace = svdvals(cross, check_finite=False).sum() if cross.size else 0.0
    return max(0.0, float(shift @ shift + np.sum(a.factor**2) + np.sum(b.factor**2) - 2 * root_trace))


def frechet_distance(features_a: FloatArray, features_b: FloatArray) -> float:
    """Frechet distance between the Gaussians of two sets of features (Dowson & Landau 1982; Heusel et al., arXiv
    1706.08500; as FAD Kilgour et al., arXiv 1812.08466).

    ``|m1 - m2|^2 + Tr S1 + Tr S2 - 2 Tr sqrt(S1 S2)`` with covariances of ddof 1, all in float64. Agrees with
    ``scipy.linalg.sqrtm`` to 1e-6 relative on well-conditioned input and is exact on singular input too.

    Args:
        features_a, features_b: float (n, d) and (m, d), one row a clip or frame; n, m >= 2.

    Returns:
        At least 0, in squared feature units; 0 for identical means and covariances. Symmetric.

    Raises:
        ReaudioError: fewer than 2 rows, or different widths.
    """
    a, b = np.asarray(features_a), np.asarray(features_b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ReaudioError(f"Features of shapes {a.shape} and {b.shape} cannot be compared: pass (n, d) and (m, d).")
    if min(len(a), len(b)) < 2:
        raise ReaudioError(f"A Frechet distance needs at least 2 rows on each side; there are {len(a)} and {len(b)}.")
    return distance(fit(a), fit(b))


def frechet_distance_subsets(generated: FeatureSet, reference: FeatureSet, subsets: Sequence[Subset]) -> list[float]:
    """Frechet distance of every subset, equal to :func:`frechet_distance` on the pooled frames of its clips.

    Where clips have several frames, sums and second moments of each clip are computed once and shared, so that a subset
    costs decompositions of d x d only. With one frame a clip, nearly all of the time goes to the SVD of a subset's own
    n x n, which subsets cannot share.

    Args:
        generated, reference: features of the same width, finite.
        subsets: rows (clips) of both; at least 2 clips on each side of every subset.
    """
    gaussians_a = _fit_subsets(generated, [s.generated for s in subsets])
    gaussians_b = _fit_subsets(reference, [s.reference for s in subsets])
    return [distance(a, b) for a, b in zip(gaussians_a, gaussians_b, strict=True)]


def frame_rows(features: FeatureSet, clips: IntArray) -> IntArray:
    """intp: the rows of ``features.frames`` that belong to these clips."""
    starts, counts = features.offsets[clips], features.frame_counts[clips]
    ends = np.cumsum(counts)
    rows: IntArray = np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)
    return rows


def _fit_subsets(features: FeatureSet, clips: Sequence[IntArray]) -> Iterator[Gaussian]:
    if len(features.frames) < 2 * len(features):  # one frame a clip: nothing to be saved by summing clips first
        for rows in clips:
            yield fit(features.frames[frame_rows(features, rows)])
        return
    block = max(1, _BLOCK_BYTES // (8 * features.frames.shape[1] ** 2))
    for start in range(0, len(clips), block):
        yield from _fit_block(features, membership(clips[start : start + block], len(features)), block)


def _fit_block(features: FeatureSet, weights: Float64, clips_at_once: int) -> Iterator[Gaussian]:
    """One Gaussian for each row of ``weights`` (subsets, n) from sums and second moments over clips."""
    d = features.frames.shape[1]
    origin = features.frames.mean(axis=0, dtype=np.float64)  # near the data: the subtraction below loses no digits
    sums = np.zeros((len(weights), d))
    seconds = np.zeros((len(weights), d * d))
    for start in range(0, len(features), clips_at_once):
        chunk = slice(start, start + clips_at_once)
        clips = [
            features.frames[low:high] - origin
            for low, high in zip(features.offsets[:-1][chunk], features.offsets[1:][chunk], strict=True)
        ]
        sums += weights[:, chunk] @ np.stack([frames.sum(axis=0) for frames in clips])
        seconds += weights[:, chunk] @ np.stack([(frames.T @ frames).ravel() for frames in clips])
    for n, total, second in zip(weights @ features.frame_counts, sums, seconds, strict=True):
        mean = total / n
        covariance = (second.reshape(d, d) - n * np.outer(mean, mean)) / (n - 1)
        yield Gaussian(mean + origin, _covariance_factor(covariance))
