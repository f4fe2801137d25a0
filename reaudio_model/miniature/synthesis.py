"""Building blocks of the miniature's sounds.

Contours, harmonics, noise, filters, strikes, repetition and distance.

Signals are float64 (n,) at ``SAMPLE_RATE``. All randomness comes from the Generator argument, from which only uniform draws and choices
are taken: their streams are NumPy's simplest. The last-bit differences of sine and FFT between machines vanish when a
clip is rounded to 16 bits (``world.render``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft

SAMPLE_RATE = 16_000
HIGHEST_HZ = 7_500.0  # harmonics stay below it
TABLE_SIZE = 2_048  # samples in one cycle of the wavetable

Rng = np.random.Generator
Signal = npt.NDArray[np.float64]
Gain = Callable[[Signal], Signal]
Synthesiser = Callable[[Rng, int], Signal]


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """A draw whose logarithm is uniform between those of ``low`` and ``high``."""
    return float(low * (high / low) ** rng.random())


def seconds(n: int) -> Signal:
    """Time of each of n samples, in seconds."""
    return np.arange(n, dtype=np.float64) / SAMPLE_RATE


def contour(n: int, points: npt.ArrayLike) -> Signal:
    """Straight lines through ``points``, spread evenly over n samples."""
    heights = np.asarray(points, dtype=np.float64)
    return np.interp(np.linspace(0.0, 1.0, n), np.linspace(0.0, 1.0, len(heights)), heights)


def wander(rng: Rng, n: int, rate_hz: float, low: float, high: float) -> Signal:
    """A random line between ``low`` and ``high`` that turns ``rate_hz`` times a second."""
    knots = max(2, int(np.ceil(n / SAMPLE_RATE * rate_hz)) + 1)
    return contour(n, rng.uniform(low, high, knots))


def unit_peak(x: Signal) -> Signal:
    """``x`` scaled to a peak of 1; ``x`` must not be all zero."""
    return np.asarray(x / np.abs(x).max())


def tone(frequency_hz: Signal) -> Signal:
    """A sine of changing frequency."""
    return np.asarray(np.sin(2 * np.pi * np.cumsum(frequency_hz) / SAMPLE_RATE))


def harmonics(f0_hz: Signal, slope: float, even: float = 1.0) -> Signal:
    """A stack of harmonics, the k-th with amplitude k**-slope (even ones times ``even``), read from a band-limited wavetable."""
    order = np.arange(1, max(1, int(HIGHEST_HZ / f0_hz.max())) + 1)[: TABLE_SIZE // 2 - 1]
    spectrum = np.zeros(TABLE_SIZE // 2 + 1, dtype=np.complex128)
    # Schroeder phases keep the crest low enough for filters and mixing.
    amplitude = order**-slope * np.where(order % 2 == 0, even, 1.0)
    spectrum[order] = amplitude * np.exp(1j * np.pi * order * order / len(order))
    table = fft.irfft(spectrum, TABLE_SIZE)
    table = unit_peak(table)
    position = np.mod(np.cumsum(f0_hz) / SAMPLE_RATE, 1.0) * TABLE_SIZE
    return np.asarray(np.interp(position, np.arange(TABLE_SIZE + 1), np.append(table, table[0])))


def noise(rng: Rng, n: int) -> Signal:
    """White, uniform in [-1, 1]."""
    return rng.uniform(-1.0, 1.0, n)


def band(centre_hz: float, octaves: float) -> Gain:
    """A bell on the octave axis; ``octaves`` is its standard deviation."""
    return lambda f: np.exp(-0.5 * (np.log2(np.maximum(f, 1.0) / centre_hz) / octaves) ** 2)


def low_pass(cut_hz: float, order: float = 2.0) -> Gain:
    """Butterworth magnitude, falling above ``cut_hz``."""
    return lambda f: 1.0 / np.sqrt(1.0 + (f / cut_hz) ** (2 * order))


def high_pass(cut_hz: float, order: float = 2.0) -> Gain:
    """Butterworth magnitude, falling below ``cut_hz``."""
    return lambda f: 1.0 / np.sqrt(1.0 + (cut_hz / np.maximum(f, 1.0)) ** (2 * order))


def formants(centres_hz: Sequence[float], width_hz: float = 120.0, floor: float = 0.03) -> Gain:
    """Resonances of a vocal tract or a box; each next one is weaker, and ``floor`` passes everywhere."""

    def gain(f: Signal) -> Signal:
        total = np.full_like(f, floor)
        for i, centre in enumerate(centres_hz):
            total += 0.75**i / (1.0 + ((f - centre) / (width_hz * (1.0 + 0.4 * i))) ** 2)
        return total

    return gain


def shape(x: Signal, *gains: Gain) -> Signal:
    """Filter by the product of the gains, without phase shift."""
    length = fft.next_fast_len(len(x), real=True)
    return _from_spectrum(fft.rfft(x, length), length, gains)[: len(x)]


def convolve(x: Signal, kernel: Signal, *gains: Gain) -> Signal:
    """Causal convolution, cut to the length of ``x``; in the same pass, filtering as in ``shape``."""
    length = fft.next_fast_len(len(x) + len(kernel), real=True)
    return _from_spectrum(fft.rfft(x, length) * fft.rfft(kernel, length), length, gains)[: len(x)]


def _from_spectrum(spectrum: npt.NDArray[np.complex128], length: int, gains: Sequence[Gain]) -> Signal:
    frequency = np.linspace(0.0, SAMPLE_RATE / 2, len(spectrum))
    for gain in gains:
        spectrum = spectrum * gain(frequency)
    return np.asarray(fft.irfft(spectrum, length))


def modes(frequencies_hz: Sequence[float], decay_s: Sequence[float], weights: Sequence[float], length_s: float) -> Signal:
    """A struck body: decaying sines, all starting at zero phase."""
    t = seconds(int(length_s * SAMPLE_RATE))
    total = np.zeros_like(t)
    for frequency, decay, weight in zip(frequencies_hz, decay_s, weights, strict=True):
        if frequency < HIGHEST_HZ:
            total += weight * np.exp(-t / decay) * np.sin(2 * np.pi * frequency * t)
    return total


def noise_burst(rng: Rng, decay_s: float, *gains: Gain) -> Signal:
    """Filtered noise that starts at once and dies away."""
    t = seconds(int(6 * decay_s * SAMPLE_RATE) + 16)
    return shape(noise(rng, len(t)), *gains) * np.exp(-t / decay_s)


def hump(n: int, attack: float = 0.15, release: float = 0.4) -> Signal:
    """An envelope of one call: raised-cosine attack and release, as fractions of n."""
    rise, fall = max(2, int(attack * n)), max(2, int(release * n))
    envelope = np.ones(n)
    rise, fall = min(rise, n), min(fall, n)
    envelope[:rise] *= 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, rise))
    envelope[n - fall :] *= 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, fall))
    return envelope


def tremolo(n: int, rate_hz: float, depth: float, sharpness: float = 1.0) -> Signal:
    """Amplitude modulation between 1 - depth and 1; a sharpness above 1 narrows the peaks."""
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * rate_hz * seconds(n))
    return np.asarray(1.0 - depth + depth * wave**sharpness)


def add_at(target: Signal, start: int, x: Signal) -> None:
    """Add ``x`` into ``target`` from sample ``start`` on; what sticks out is cut."""
    part = x[: max(0, len(target) - start)]
    target[start : start + len(part)] += part


def regular_times(rng: Rng, n: int, period_s: float, jitter: float) -> list[int]:
    """Sample positions about ``period_s`` apart (each gap varies by the share ``jitter``); at least one."""
    position = rng.random() * min(0.3, period_s) * SAMPLE_RATE * 0.5
    times: list[int] = []
    while position < n or not times:
        times.append(min(int(position), n - 1))
        position += period_s * SAMPLE_RATE * (1.0 + jitter * rng.uniform(-1.0, 1.0))
    return times


def strikes(rng: Rng, n: int, times: Sequence[int], strike: Callable[[], Signal], spread_db: float = 6.0) -> Signal:
    """A sound for each of ``times``, each up to ``spread_db`` below full level."""
    total = np.zeros(n)
    for start in times:
        add_at(total, start, strike() * 10 ** (-spread_db * rng.random() / 20))
    return total


def impulses(rng: Rng, n: int, rate_hz: float) -> Signal:
    """A Poisson process of clicks with amplitudes in [-1, 1], small ones more often; at least one, near the start."""
    count = max(1, int(rate_hz * n / SAMPLE_RATE * rng.uniform(0.8, 1.2)))
    train = np.zeros(n)
    np.add.at(train, (rng.random(count) * n).astype(np.int64), rng.uniform(-1.0, 1.0, count) ** 3)
    train[int(0.1 * rng.random() * n)] += 1.0
    return train


def repeat(
    rng: Rng,
    n: int,
    length_s: tuple[float, float],
    gap_s: tuple[float, float],
    call: Callable[[int], Signal],
) -> Signal:
    """``call(length)`` again and again, lengths and gaps drawn from their ranges; the last call is shortened, not cut off."""
    total = np.zeros(n)
    position = int(rng.uniform(0.0, min(0.2, gap_s[1])) * SAMPLE_RATE)
    shortest = int(0.4 * length_s[0] * SAMPLE_RATE)
    first = True
    while first or n - position > shortest:
        length = min(int(rng.uniform(*length_s) * SAMPLE_RATE), max(n - position, 16))
        add_at(total, position, call(length) * rng.uniform(0.6, 1.0))
        position += length + int(rng.uniform(*gap_s) * SAMPLE_RATE)
        first = False
    return total


def place_far(rng: Rng, x: Signal, distance: float) -> Signal:
    """``x`` at a ``distance`` in [0, 1]: low-passed, with sparse echoes; the caller sets the level."""
    kernel = np.zeros(int(0.45 * SAMPLE_RATE))
    kernel[0] = 1.0
    count = int(rng.integers(6, 24))
    delay = rng.random(count) ** 1.5 * (0.05 + 0.38 * rng.random())
    echo = 0.5 * distance * np.exp(-delay / 0.15) * rng.uniform(-1.0, 1.0, count)
    np.add.at(kernel, 1 + (delay * SAMPLE_RATE).astype(np.int64), echo)
    return convolve(x, kernel, low_pass(9_000.0 * (1_600.0 / 9_000.0) ** distance, 1.0))


def background(rng: Rng, n: int) -> Signal:
    """The room, peak about 1: noise falling with frequency, at times with mains hum."""
    exponent = rng.uniform(0.3, 1.4)
    room = shape(noise(rng, n), lambda f: (np.maximum(f, 40.0) / 40.0) ** -exponent, high_pass(40.0))
    room = unit_peak(room)
    if rng.random() < 0.25:
        room += rng.uniform(0.1, 0.5) * harmonics(np.full(n, 50.0 if rng.random() < 0.5 else 60.0), 1.5)
    return room
