"""Synthesis of human sounds.

``voice`` also serves animals. What is constant in a clip is drawn first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reaudio_model.miniature.synthesis import (
    Rng,
    Signal,
    add_at,
    band,
    contour,
    formants,
    harmonics,
    high_pass,
    hump,
    log_uniform,
    low_pass,
    noise,
    noise_burst,
    repeat,
    seconds,
    shape,
    tone,
    tremolo,
    wander,
)

# First three formants of an adult male, in Hz: i, e, a, o, u and the neutral vowel (textbook values, rounded).
VOWELS = ((280, 2250, 2900), (450, 1900, 2550), (730, 1100, 2450), (480, 850, 2400), (310, 870, 2250), (500, 1500, 2500))


def voice(
    rng: Rng, n: int, pitch: Sequence[float], tract: Sequence[float], slope: float, breath: float = 0.05, rough: float = 0.0
) -> Signal:
    """One call: harmonics of a pitch contour (Hz) and breath noise through a vocal tract (formants in Hz)."""
    f0 = contour(n, pitch) * wander(rng, n, 12.0, 0.985, 1.015)
    if rough:
        f0 = f0 * wander(rng, n, 90.0, 1.0 - rough, 1.0 + rough)
    source = harmonics(f0, slope) + breath * noise(rng, n)
    return shape(source, formants(tract, width_hz=90.0 + 0.08 * tract[0])) * hump(
        n, rng.uniform(0.05, 0.2), rng.uniform(0.2, 0.5)
    )


def _speech(rng: Rng, n: int, pitch_hz: float, size: float) -> Signal:
    slope, tempo, liveliness = rng.uniform(0.7, 1.3), rng.uniform(0.7, 1.4), rng.uniform(0.05, 0.25)

    def syllable(length: int) -> Signal:
        vowel = [size * f for f in VOWELS[rng.integers(len(VOWELS))]]
        f0 = pitch_hz * (1.0 + liveliness * rng.uniform(-1.0, 1.0))
        x = voice(rng, length, (f0, f0 * rng.uniform(0.85, 1.15)), vowel, slope)
        if rng.random() < 0.4:
            add_at(x, 0, 0.25 * rng.random() * noise_burst(rng, 0.02, high_pass(2_500.0), band(4_500.0, 0.5)))
        return x

    return repeat(rng, n, (0.08 / tempo, 0.28 / tempo), (0.0, 0.16 / tempo), syllable)


def man_speaking(rng: Rng, n: int) -> Signal:
    return _speech(rng, n, log_uniform(rng, 80, 160), rng.uniform(0.92, 1.08))


def woman_speaking(rng: Rng, n: int) -> Signal:
    return _speech(rng, n, log_uniform(rng, 160, 290), rng.uniform(1.08, 1.28))


def laughter(rng: Rng, n: int) -> Signal:
    pitch, size, breath = log_uniform(rng, 130, 420), rng.uniform(0.95, 1.25), rng.uniform(0.1, 0.5)
    vowel = [size * f for f in VOWELS[rng.choice([1, 2, 5])]]
    length = rng.uniform(0.07, 0.13)

    def ha(samples: int) -> Signal:
        top = pitch * rng.uniform(0.85, 1.25)
        return voice(rng, samples, (top, top * 0.8), vowel, 0.9, breath)

    return repeat(rng, n, (length, 1.2 * length), (0.06, 0.14), ha)


def baby_cry(rng: Rng, n: int) -> Signal:
    pitch, tract = (
        log_uniform(rng, 330, 620),
        [rng.uniform(900, 1_300), rng.uniform(2_500, 3_300), rng.uniform(4_200, 5_200)],
    )
    rough = rng.uniform(0.0, 0.06)
    return repeat(
        rng,
        n,
        (0.5, 1.1),
        (0.15, 0.4),
        lambda k: voice(rng, k, (0.75 * pitch, 1.1 * pitch, pitch, 0.7 * pitch), tract, 0.6, 0.08, rough),
    )


def snoring(rng: Rng, n: int) -> Signal:
    rate, tract = log_uniform(rng, 30, 75), (rng.uniform(150, 350), rng.uniform(700, 1_200))

    def breath_in(k: int) -> Signal:
        flutter = tremolo(k, rate * rng.uniform(0.9, 1.1), 0.9, 3.0)
        return shape(noise(rng, k) * flutter, formants(tract, 130.0), low_pass(2_500.0)) * hump(k, 0.4, 0.2)

    return repeat(rng, n, (0.6, 1.3), (0.3, 0.8), breath_in)


def cough(rng: Rng, n: int) -> Signal:
    size, pitch = rng.uniform(0.85, 1.3), log_uniform(rng, 110, 260)

    def hack(k: int) -> Signal:
        x = noise(rng, k) * np.exp(-4.0 * np.linspace(0, 1, k)) + 0.4 * harmonics(
            contour(k, (pitch, 0.7 * pitch)), 0.8
        ) * hump(k)
        return shape(x, formants([650 * size, 1_500 * size, 2_900 * size], 260.0, 0.1))

    return repeat(rng, n, (0.14, 0.32), (0.04, 0.5), hack)


def whistling(rng: Rng, n: int) -> Signal:
    base, vibrato = log_uniform(rng, 800, 2_000), rng.uniform(0.0, 0.02)
    steps = base * 2.0 ** (np.array([0, 2, 4, 5, 7, 9, 12]) / 12)

    def note(k: int) -> Signal:
        f = (
            rng.choice(steps)
            * (1 + vibrato * np.sin(2 * np.pi * 5.5 * seconds(k)))
            * contour(k, (rng.uniform(0.9, 1.0), 1.0, 1.0, 1.0))
        )
        return (tone(f) + shape(noise(rng, k), band(base * 1.3, 0.3)) * 0.15) * hump(k, 0.15, 0.25)

    return repeat(rng, n, (0.15, 0.6), (0.0, 0.12), note)
