"""Every step of the waveform rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from reaudio_eval.features.protocols import WaveformRule, get_protocol
from reaudio_eval.features.waveform import apply_rule
from reaudio_model.common.audio import DecodedAudio
from reaudio_model.common.resample import resample

HALF_STEP = 0.5 / 32768  # of 16 bits
PLAIN = WaveformRule(mono="mean", remove_dc=False)


def stereo(n: int = 800, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (n, 2)).astype(np.float32)


def write(path: Path, samples: npt.NDArray[np.float32], rate: int = 16_000, **options: str) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


def test_mono() -> None:
    x = stereo()
    decoded = DecodedAudio(x, 16_000)
    np.testing.assert_array_equal(apply_rule(decoded, replace(PLAIN, mono="first"), 16_000), x[:, 0])
    np.testing.assert_allclose(apply_rule(decoded, PLAIN, 16_000), (x[:, 0] + x[:, 1]) / 2, rtol=0, atol=1e-7)


def test_dc_is_removed_before_resampling() -> None:
    x = stereo() + np.float32(0.25)
    rule = WaveformRule()
    y = apply_rule(DecodedAudio(x, 48_000), rule, 16_000)
    expected = resample((x[:, 0] - x[:, 0].mean()).astype(np.float32), 48_000, 16_000)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6)
    after = resample(x[:, 0], 48_000, 16_000)
    assert np.abs(y - (after - after.mean())).max() > 1e-3  # the other order is another waveform, at the ends


@pytest.mark.parametrize("resampler", ["sinc_hann", "sinc_kaiser", "soxr_hq"])
def test_each_resampler_is_used(resampler: str) -> None:
    x = stereo(2000)
    y = apply_rule(DecodedAudio(x, 44_100), replace(PLAIN, resampler=resampler), 16_000)
    np.testing.assert_array_equal(y, resample(x.mean(axis=1), 44_100, 16_000, resampler))


def test_rates_are_visited_in_turn() -> None:
    x = stereo(2000)
    y = apply_rule(DecodedAudio(x, 16_000), replace(PLAIN, rates=(8_000, 48_000)), 48_000)
    np.testing.assert_array_equal(y, resample(resample(x.mean(axis=1), 16_000, 8_000), 8_000, 48_000))


def test_peak() -> None:
    y = apply_rule(DecodedAudio(stereo(), 16_000), replace(PLAIN, peak_db=-1.0), 16_000)
    assert np.abs(y).max() == pytest.approx(10 ** (-1 / 20), rel=1e-6)
    silence = apply_rule(DecodedAudio(np.zeros((50, 1), np.float32), 16_000), replace(PLAIN, peak_db=-1.0), 16_000)
    np.testing.assert_array_equal(silence, np.zeros(50))


def test_int16() -> None:
    x = np.array([[0.0], [1.0], [-1.0], [2.0], [-2.0], [0.3], [0.6 / 32768]], np.float32)
    y = apply_rule(DecodedAudio(x, 16_000), replace(PLAIN, int16=True), 16_000)
    np.testing.assert_array_equal(y * 32768, [0, 32767, -32768, 32767, -32768, round(0.3 * 32768), 1])


def test_crop_and_pad() -> None:
    rule = replace(PLAIN, max_seconds=0.05, min_samples=900)
    long = apply_rule(DecodedAudio(stereo(4000), 16_000), rule, 16_000)
    assert len(long) == 900  # the crop comes first
    assert np.all(long[800:] == 0)
    assert np.any(long[:800] != 0)
    short = stereo(5)
    y = apply_rule(DecodedAudio(short, 16_000), rule, 16_000)
    np.testing.assert_array_equal(y, np.pad(short.mean(axis=1), (0, 895)))


def test_the_default_protocol_feeds_clap_as_its_source_does() -> None:
    """First channel, DC out, 32 kHz, padded to 32,000 samples there, then 48 kHz, then the first 480,000 samples."""
    rule = get_protocol("audioldm-eval-2023-06").rule("clap")
    x = stereo(8000)
    x[-1, 0] = 1  # rings beyond the end of the clip in the second resampling
    y = apply_rule(DecodedAudio(x, 16_000), rule, 48_000)
    at_32k = resample((x[:, 0] - x[:, 0].mean()).astype(np.float32), 16_000, 32_000)
    np.testing.assert_allclose(y, resample(np.pad(at_32k, (0, 16_000)), 32_000, 48_000), rtol=0, atol=1e-6)
    assert np.abs(y[24_000:24_010]).max() > 1e-3
    assert len(apply_rule(DecodedAudio(np.tile(x, (30, 1)), 16_000), rule, 48_000)) == 480_000


def test_rule_leaves_the_decoded_samples_alone() -> None:
    x = stereo()
    before = x.copy()
    full = WaveformRule(peak_db=-3.0, int16=True, min_samples=2000)
    y = apply_rule(DecodedAudio(x, 16_000), full, 16_000)
    np.testing.assert_array_equal(x, before)
    assert y.dtype == np.float32
    assert y.flags.c_contiguous
