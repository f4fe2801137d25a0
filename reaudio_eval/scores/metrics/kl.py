"""KL divergence of a tagger's predictions for real and generated clips."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_expit, log_softmax, softmax

from reaudio_eval.features.feature_set import FloatArray
from reaudio_eval.scores.metrics import ClipMetric, MetricInput
from reaudio_eval.scores.system_scores import Range

Float64 = npt.NDArray[np.float64]
LOWEST = (
    -0.01
)  # kl_softmax is at least -log(1 + C epsilon), for up to 10,000 classes at the largest epsilon of a protocol, 1e-6


def kl_softmax(p_logits: FloatArray, q_logits: FloatArray, epsilon: float) -> Float64:
    """``KL(p || q) = sum_c p_c (log p_c - log(q_c + epsilon))`` of each row, with p and q the softmax of the logits.

    The mean over rows equals audioldm_eval @ 51b7fdd's ``F.kl_div((softmax(q) + 1e-6).log(), softmax(p),
    reduction="sum") / n`` to 1e-6 relative (that one is float32).

    Args:
        p_logits, q_logits: float (n, C), finite.
        epsilon: added to q inside the logarithm, which floors it at log(epsilon); 0 is the exact divergence.

    Returns:
        float64 (n,), in nats, at least -log(1 + C * epsilon).
    """
    p, q = p_logits.astype(np.float64), q_logits.astype(np.float64)
    log_q = log_softmax(q, axis=1) if epsilon == 0 else np.log(softmax(q, axis=1) + epsilon)
    return _relative_entropy(softmax(p, axis=1), log_softmax(p, axis=1), log_q)


def kl_sigmoid(p_logits: FloatArray, q_logits: FloatArray, epsilon: float) -> Float64:
    """The same sum over the sigmoid probabilities of the classes, float64 (n,).

    This is what audioldm_eval prints as ``kl_sigmoid``. The probabilities do not add up to 1 and the terms of the absent
    classes are missing, so it is not a divergence and may be negative.
    """
    p, q = p_logits.astype(np.float64), q_logits.astype(np.float64)
    log_q = log_expit(q) if epsilon == 0 else np.log(expit(q) + epsilon)
    return _relative_entropy(expit(p), log_expit(p), log_q)


def _relative_entropy(p: Float64, log_p: Float64, log_q: Float64) -> Float64:
    """Sum over classes; log_p is finite where p underflows to 0, so that 0 log 0 is 0."""
    total: Float64 = np.sum(p * (log_p - log_q), axis=1)
    return total


def _directed(data: MetricInput) -> tuple[FloatArray, FloatArray]:
    """Logits of p and q in KL(p || q), in the direction of the protocol."""
    assert data.reference is not None
    assert data.reference.logits is not None
    assert data.generated.logits is not None
    if data.protocol.kl_direction == "reference_generated":
        return data.reference.logits, data.generated.logits
    return data.generated.logits, data.reference.logits


def _softmax(data: MetricInput) -> Float64:
    return kl_softmax(*_directed(data), data.protocol.kl_epsilon)


def _sigmoid(data: MetricInput) -> Float64:
    return kl_sigmoid(*_directed(data), data.protocol.kl_epsilon)


METRICS = (
    ClipMetric(
        name="kl_{embedder}",
        title="KL divergence",
        higher_is_better=False,
        unit="nats",
        source="audioldm_eval @ 51b7fdd metrics/kl.py (softmax)",
        needs=frozenset({"reference", "logits"}),
        compute=_softmax,
        role="divergence",
        range=Range(LOWEST, None),
    ),
    ClipMetric(
        name="kl_sigmoid_{embedder}",
        title="KL divergence (sigmoid)",
        higher_is_better=False,
        unit="nats",
        source="audioldm_eval @ 51b7fdd metrics/kl.py (sigmoid; not a normalised divergence)",
        needs=frozenset({"reference", "logits"}),
        compute=_sigmoid,
        role="divergence",
    ),
)
