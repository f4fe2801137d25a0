"""Waveform processing of a protocol, before the embedder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reaudio_model.common.audio import DecodedAudio
from reaudio_model.common.resample import Samples, resample

if TYPE_CHECKING:  # a new protocol is no new code of features: the rule itself is part of their key
    from reaudio_eval.features.protocols import WaveformRule


def apply_rule(decoded: DecodedAudio, rule: WaveformRule, sample_rate: int) -> Samples:
    """The input of an embedder: the steps of ``rule`` in its order.

    Args:
        decoded: from :func:`decode`; not changed.
        rule: the protocol's rule for the embedder.
        sample_rate: the embedder's, Hz; reached after ``rule.rates``.

    Returns:
        float32 (samples,), mono, at ``sample_rate``, contiguous.
    """
    return levelled(at_file_level(decoded, rule, sample_rate), rule, sample_rate)


def mono(samples: Samples, rule: WaveformRule) -> Samples:
    """float32 (n, channels) -> float32 (n,)."""
    return samples[:, 0] if rule.mono == "first" else samples.mean(axis=1)


def at_file_level(decoded: DecodedAudio, rule: WaveformRule, sample_rate: int) -> Samples:
    """The first half of :func:`apply_rule`: mono, without DC, resampled; the level is still the file's."""
    samples = mono(decoded.samples, rule)
    if rule.remove_dc:
        samples = samples - np.float32(samples.mean(dtype=np.float64))
    rate = decoded.sample_rate
    for target in (*rule.rates, sample_rate):
        samples, rate = resample(samples, rate, target, rule.resampler), target
        if rate == rule.pad_rate:
            samples = _pad(samples, rule.min_samples)
    return samples


def levelled(samples: Samples, rule: WaveformRule, sample_rate: int) -> Samples:
    """The second half: level, 16 bits, crop, pad."""
    if rule.peak_db is not None:
        samples = _scale_peak(samples, rule.peak_db)
    if rule.int16:
        samples = np.asarray(np.clip(np.rint(samples * 32768), -32768, 32767) / np.float32(32768), dtype=np.float32)
    if rule.max_seconds is not None:
        samples = samples[: round(rule.max_seconds * sample_rate)]
    if rule.pad_rate is None:
        samples = _pad(samples, rule.min_samples)
    return np.ascontiguousarray(samples, dtype=np.float32)


def _pad(samples: Samples, min_samples: int) -> Samples:
    return np.pad(samples, (0, max(0, min_samples - len(samples))))


def _scale_peak(samples: Samples, peak_db: float) -> Samples:
    peak = float(np.abs(samples).max())
    return samples * np.float32(10 ** (peak_db / 20) / peak) if peak > 0 else samples
