"""Resampling against torchaudio's own numbers, the written-out formula, and closed forms."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from reaudio_model.common.resample import SINC_FILTERS, Resampler, SincFilter, resample

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "resample_torchaudio.json").read_text(encoding="utf-8"))
GOLDEN_TOLERANCE = 1e-6  # float32 sums of up to 1,000 terms in another order; 6.6e-7 was seen
FORMULA_TOLERANCE = 5e-5  # the kernel is rounded to float32 as torchaudio's is; 4.7e-5 at 22.05 -> 32 kHz
PAIRS = [(48_000, 16_000), (44_100, 16_000), (32_000, 16_000), (22_050, 16_000), (24_000, 16_000), (48_000, 32_000)]
PAIRS += [(44_100, 32_000), (22_050, 32_000), (24_000, 32_000), (16_000, 32_000), (16_000, 48_000)]


def by_formula(x: npt.NDArray[np.float32], old: int, new: int, sinc: SincFilter) -> npt.NDArray[np.float64]:
    """The sum of the module's docstring, term by term in float64: O(outputs x width)."""
    cutoff = sinc.rolloff * min(old, new)
    reach = math.ceil(sinc.half_width * old / cutoff) + 1
    y = np.zeros(-(-len(x) * new // old))
    for j in range(len(y)):
        middle = j * old // new
        i = np.arange(max(0, middle - reach), min(len(x), middle + reach + 2))
        t = cutoff * (i / old - j / new)
        ratio = np.clip(t / sinc.half_width, -1, 1)
        hann = np.cos(np.pi * ratio / 2) ** 2
        window = hann if sinc.beta is None else np.i0(sinc.beta * np.sqrt(1 - ratio**2)) / np.i0(sinc.beta)
        y[j] = np.sum(x[i] * cutoff / old * np.sinc(t) * window)
    return y


def noise(n: int, seed: int = 7) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, n).astype(np.float32)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: f"{c['old']}-{c['new']}-{c['method']}")
def test_agrees_with_torchaudio(case: dict) -> None:
    y = resample(noise(1500), case["old"], case["new"], case["method"])
    middle = len(y) // 2
    assert len(y) == case["length"]
    for part, found in (("head", y[:8]), ("middle", y[middle : middle + 8]), ("tail", y[-8:])):
        np.testing.assert_allclose(found, case[part], rtol=0, atol=GOLDEN_TOLERANCE)


@pytest.mark.parametrize("method", SINC_FILTERS)
@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_agrees_with_the_formula(old: int, new: int, method: Resampler) -> None:
    x = noise(1200)
    np.testing.assert_allclose(
        resample(x, old, new, method), by_formula(x, old, new, SINC_FILTERS[method]), rtol=0, atol=FORMULA_TOLERANCE
    )


def test_soxr_is_the_library_at_high_quality() -> None:
    x = noise(4800)
    np.testing.assert_array_equal(resample(x, 48_000, 16_000, "soxr_hq"), soxr.resample(x, 48_000, 16_000, quality="HQ"))


@pytest.mark.parametrize("method", ["sinc_hann", "sinc_kaiser", "soxr_hq"])
@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 3000),
    old=st.sampled_from([8000, 11_025, 16_000, 44_100]),
    new=st.sampled_from([16_000, 22_050, 48_000]),
)
def test_length_is_rounded_up(method: Resampler, n: int, old: int, new: int) -> None:
    y = resample(noise(n), old, new, method)
    assert y.dtype == np.float32
    assert len(y) == math.ceil(n * new / old)


@pytest.mark.parametrize("method", SINC_FILTERS)
def test_a_sine_stays_the_same_sine(method: Resampler) -> None:
    old, new, pitch = 44_100, 16_000, 1000.0
    x = np.sin(2 * np.pi * pitch * np.arange(old) / old).astype(np.float32)
    y = resample(x, old, new, method)
    expected = np.sin(2 * np.pi * pitch * np.arange(new) / new)
    inner = slice(200, -200)  # the ends meet the silence around the clip
    np.testing.assert_allclose(
        y[inner], expected[inner], rtol=0, atol=2e-3
    )  # passband ripple of a filter 6 zero crossings wide


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(-2, 2), seed=st.integers(0, 99))
def test_linear(scale: float, seed: int) -> None:
    a, b = noise(500, seed), noise(500, seed + 100)
    both = resample(a + np.float32(scale) * b, 22_050, 16_000)
    apart = resample(a, 22_050, 16_000) + np.float32(scale) * resample(b, 22_050, 16_000)
    np.testing.assert_allclose(both, apart, rtol=0, atol=1e-5)  # float32 sums of values up to 3


def test_coprime_rates_need_no_large_kernel() -> None:
    x = noise(300)
    y = resample(x, 44_099, 16_000)  # 16,000 phases: a matrix of kernels would take 3 GB
    np.testing.assert_allclose(y, by_formula(x, 44_099, 16_000, SINC_FILTERS["sinc_hann"]), rtol=0, atol=2e-3)


def test_same_rate_is_the_same_array() -> None:
    x = noise(10)
    assert resample(x, 16_000, 16_000) is x
