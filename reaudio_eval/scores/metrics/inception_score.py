"""Inception score: clear single clips in a varied set.

It grows with the number of clips in a split (at most that number), so compare it only at equal n: it has no value within strata. The
splits are disjoint sets of clips, so their scores are independent, and the standard error of their mean is that of any mean. A jackknife
of random groups would deal all clips to other splits with every group, and give two to three times the standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax, xlogy

from reaudio_eval.features.feature_set import FloatArray, IntArray, Undefined
from reaudio_eval.scores.metrics import MetricInput, SetMetric, Subset
from reaudio_eval.scores.metrics._subsets import evaluate, not_finite
from reaudio_eval.scores.system_scores import Range

CLIPS_A_SPLIT = 2  # the score of a single clip is 1, whatever the clip
CLIPS_FOR_INTERVAL = (
    4  # a split; scores of two clips are near 1 or 2 and nothing else: intervals cover .60 (benchmarks/set_metrics.py)
)


class InceptionScore(NamedTuple):
    """mean: from 1 to the number of classes or of clips in a split; std: over splits (ddof 0)."""

    mean: float
    std: float


def inception_score(logits: FloatArray, splits: int, seed: int) -> InceptionScore:
    """``exp(mean KL(p(y|x) || p(y)))`` in each split (Salimans et al., arXiv 1606.03498), its mean and spread over splits.

    Same permutation (NumPy's legacy ``RandomState``), boundaries and arithmetic as torch-fidelity @ 5e211a9 and
    audioldm_eval @ 51b7fdd, to 1e-10 relative; where a class has probability 0 throughout a split, theirs is NaN and
    ours is the limit.

    Args:
        logits: float (n, C), finite, n >= splits; the order of rows matters, because it decides the splits.
        splits: number of splits, at least 1.
        seed: of the permutation.
    """
    scores = split_scores(logits, splits, seed)
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def split_scores(logits: FloatArray, splits: int, seed: int) -> npt.NDArray[np.float64]:
    """float64 (splits,): the score of each split; arguments as for :func:`inception_score`."""
    n = len(logits)
    order = np.random.RandomState(seed).permutation(n)  # the published numbers depend on this generator
    shuffled = logits[order].astype(np.float64)
    p, log_p = softmax(shuffled, axis=1), log_softmax(shuffled, axis=1)
    bounds = [i * n // splits for i in range(splits + 1)]
    return np.array([_split_score(p[low:high], log_p[low:high]) for low, high in pairwise(bounds)])


def _split_score(p: npt.NDArray[np.float64], log_p: npt.NDArray[np.float64]) -> float:
    """exp of the mean over rows of KL(p || mean of p)."""
    marginal = p.mean(axis=0)
    mean_kl = np.sum(p * log_p, axis=1).mean() - np.sum(xlogy(marginal, marginal))
    return float(np.exp(mean_kl))


def _compute(data: MetricInput, subsets: Sequence[Subset]) -> list[float | Undefined]:
    logits, splits, seed = data.generated.logits, data.protocol.is_splits, data.protocol.is_seed
    assert logits is not None
    broken = not_finite(data.generated)

    def undefined(subset: Subset) -> Undefined | None:
        if len(subset.generated) < CLIPS_A_SPLIT * splits:
            least = CLIPS_A_SPLIT * splits
            return Undefined(f"needs at least {least} generated clips, two a split; there are {len(subset.generated)}")
        return broken

    def values(defined: list[Subset]) -> list[float]:
        orders = [_by_file_name(data.generated.clip_ids, s.generated) for s in defined]
        return [inception_score(logits[order], splits, seed).mean for order in orders]

    return evaluate(subsets, undefined, values)


def _without_each_split(data: MetricInput, rows: IntArray) -> list[float | Undefined]:
    """The mean score over the other splits; the jackknife of these is the usual standard error of a mean over splits."""
    logits, splits, seed = data.generated.logits, data.protocol.is_splits, data.protocol.is_seed
    assert logits is not None
    if splits < 2:
        return [Undefined("the protocol has one split, which has no spread")]
    if len(rows) < CLIPS_FOR_INTERVAL * splits:
        least = CLIPS_FOR_INTERVAL * splits
        return [Undefined(f"it needs at least {least} generated clips, {CLIPS_FOR_INTERVAL} a split")] * splits
    scores = split_scores(logits[_by_file_name(data.generated.clip_ids, rows)], splits, seed)
    return [float(each) for each in (scores.sum() - scores) / (splits - 1)]


def _by_file_name(clip_ids: Sequence[str], rows: npt.NDArray[np.intp]) -> list[int]:
    """Rows in the order of a sorted folder listing, which is the order the published numbers used: "a-1.wav" < "a.wav"."""
    return sorted(rows.tolist(), key=lambda row: f"{clip_ids[row]}.wav")


METRICS = (
    SetMetric(
        name="is_{embedder}",
        title="Inception score",
        higher_is_better=True,
        unit="",
        source="arXiv 1606.03498; audioldm_eval @ 51b7fdd metrics/isc.py",
        needs=frozenset({"logits"}),
        compute=_compute,
        size_biased=True,
        in_strata=False,
        replicates=_without_each_split,
        role="diversity",
        range=Range(1.0, None),
        note="Inception scores compare only at equal numbers of clips and splits.",
    ),
)
