"""Resampling as in torchaudio and librosa.

The results equal those behind published numbers, without a dependency on torchaudio.

A windowed-sinc resampler reads sample j of the output as a weighted sum of the input,

    y[j] = sum_i x[i] h(i / old - j / new),    h(t) = (f / old) sinc(f t) w(f t / L),    f = rolloff * min(old, new),

with a window w that is zero beyond L zero crossings and both rates divided by their greatest common divisor (Smith,
"Digital audio resampling", https://ccrma.stanford.edu/~jos/resample). All arguments of h are on the grid 1 / (old * new), so
this is one polyphase filter: ``scipy.signal.upfirdn``.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Resampler = Literal["sinc_hann", "sinc_kaiser", "soxr_hq"]


Samples = npt.NDArray[np.float32]


class SincFilter(NamedTuple):
    """A windowed sinc.

    half_width: L, in zero crossings; rolloff: cut-off relative to the lower Nyquist frequency; beta: shape parameter of the
    Kaiser window, or None for a Hann window.
    """

    half_width: int
    rolloff: float
    beta: float | None


# torchaudio.functional.resample's defaults, and the setting of fadtk and kadtk ("kaiser_best" of the torchaudio tutorial)
SINC_FILTERS = {
    "sinc_hann": SincFilter(6, 0.99, None),
    "sinc_kaiser": SincFilter(64, 0.9475937167399596, 14.769656459379492),
}


def resample(samples: Samples, old: int, new: int, method: Resampler = "sinc_hann") -> Samples:
    """Resample a mono waveform.

    "sinc_hann" and "sinc_kaiser" agree with torchaudio 2.11's ``resample`` to 1e-6 (full-scale white noise, every pair of
    common rates); "soxr_hq" is librosa's default.

    Args:
        samples: float32 (n,), at ``old`` Hz.
        old: Hz.
        new: Hz.
        method: of the filter.

    Returns:
        float32 (ceil(n * new / old),), at ``new`` Hz; ``samples`` itself if the rates are equal.
    """
    if old == new:
        return samples
    n_out = -(-len(samples) * new // old)
    if method == "soxr_hq":
        return _soxr(samples, old, new, n_out)
    from scipy.signal import upfirdn  # here: plug-ins that read audio are listed without it

    divisor = math.gcd(old, new)
    down, up = old // divisor, new // divisor
    kernel = _kernel(down, up, SINC_FILTERS[method])
    start = len(kernel) // 2 // down
    filtered: Samples = upfirdn(kernel, samples, up=up, down=down)[start : start + n_out]
    return filtered


def _soxr(samples: Samples, old: int, new: int, n_out: int) -> Samples:
    import soxr

    resampled: Samples = soxr.resample(samples, old, new, quality="HQ")[:n_out]
    return np.pad(resampled, (0, n_out - len(resampled)))


@lru_cache(maxsize=64)
def _kernel(down: int, up: int, sinc: SincFilter) -> Samples:
    """h on the grid 1 / (down * up), reversed for convolution, its centre at a multiple of ``down``.

    torchaudio computes h in float32, where rounding of the two quotients below changes the output (by 4e-5 at 22.05 ->
    32 kHz). The published numbers include that rounding, hence float32 here as well.
    """
    base = min(down, up) * sinc.rolloff
    width = math.ceil(sinc.half_width * down / base)  # input samples on either side
    half = -(-width * up // down) * down
    lag = np.arange(half, -half - 1, -1)  # i * up - j * down: (i, j) is unique with 0 <= j < up
    j = -lag * pow(down, -1, up) % up
    i = (lag + j * down) // up

    f32 = np.float32
    t = (-j).astype(f32) / f32(up) + i.astype(f32) / f32(down)
    t = (t * f32(base)).clip(-sinc.half_width, sinc.half_width)
    kernel: Samples = _sinc(t * f32(math.pi)) * (_window(t, sinc) * f32(base / down))
    kernel.flags.writeable = False  # shared by all callers
    return kernel


def _window(t: Samples, sinc: SincFilter) -> Samples:
    if sinc.beta is None:
        return np.cos(t * np.float32(math.pi) / np.float32(sinc.half_width) / 2) ** 2
    beta = np.float32(sinc.beta)
    window = np.i0(beta * np.sqrt(1 - (t / np.float32(sinc.half_width)) ** 2)) / np.i0(beta)
    return window.astype(np.float32)


def _sinc(t: Samples) -> Samples:
    return np.where(t == 0, np.float32(1), np.sin(t) / np.where(t == 0, np.float32(1), t))
