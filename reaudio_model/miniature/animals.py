"""Synthesis of animal sounds.

Each function first draws what is constant in a clip, then synthesises the calls.
"""

from __future__ import annotations

import numpy as np

from reaudio_model.miniature.people import voice
from reaudio_model.miniature.synthesis import (
    SAMPLE_RATE,
    Rng,
    Signal,
    band,
    contour,
    convolve,
    formants,
    harmonics,
    hump,
    impulses,
    log_uniform,
    low_pass,
    modes,
    noise,
    noise_burst,
    regular_times,
    repeat,
    seconds,
    shape,
    strikes,
    tone,
    tremolo,
    unit_peak,
    wander,
)


def dog(rng: Rng, n: int) -> Signal:
    size = rng.random()
    pitch, tract = 850 * 0.25**size, [1_300 * 0.45**size, 2_600 * 0.55**size, 3_900 * 0.7**size]
    length, gap, breath = rng.uniform(0.09, 0.22), rng.uniform(0.08, 0.7), rng.uniform(0.05, 0.4)
    return repeat(
        rng,
        n,
        (length, 1.3 * length),
        (gap, 1.6 * gap),
        lambda k: voice(rng, k, (0.7 * pitch, pitch, 0.6 * pitch), tract, 0.8, breath, 0.05),
    )


def howl(rng: Rng, n: int) -> Signal:
    pitch, tract, slope = (
        log_uniform(rng, 260, 620),
        (rng.uniform(450, 900), rng.uniform(1_000, 1_600)),
        rng.uniform(1.2, 2.2),
    )
    return repeat(
        rng,
        n,
        (1.0, 2.3),
        (0.1, 0.5),
        lambda k: voice(rng, k, (0.6 * pitch, pitch, 1.02 * pitch, 0.97 * pitch, 0.75 * pitch), tract, slope, 0.03),
    )


def growling(rng: Rng, n: int) -> Signal:
    pitch, tract = log_uniform(rng, 45, 110), (rng.uniform(300, 600), rng.uniform(900, 1_500), 2_400)
    return repeat(
        rng, n, (0.8, 2.2), (0.1, 0.4), lambda k: voice(rng, k, (0.9 * pitch, pitch, pitch), tract, 0.5, 0.3, 0.25)
    )


def meow(rng: Rng, n: int) -> Signal:
    pitch, breath = log_uniform(rng, 380, 900), rng.uniform(0.02, 0.15)

    def mew(k: int) -> Signal:
        closed = voice(rng, k, (0.8 * pitch, 1.15 * pitch, 0.75 * pitch), (600, 2_400), 1.0, breath)
        opened = voice(rng, k, (0.8 * pitch, 1.15 * pitch, 0.75 * pitch), (1_200, 1_900, 3_600), 0.7, breath)
        return closed + opened * hump(k, 0.5, 0.45)

    return repeat(rng, n, (0.35, 0.95), (0.2, 0.9), mew)


def purr(rng: Rng, n: int) -> Signal:
    rate, breathing = rng.uniform(21, 32), rng.uniform(0.4, 0.9)
    x = noise(rng, n) * tremolo(n, rate, 0.95, 4.0) + 0.6 * harmonics(np.full(n, rate), 0.5)
    return shape(x, band(log_uniform(rng, 150, 400), 0.9), low_pass(1_800.0)) * tremolo(n, breathing, 0.6)


def moo(rng: Rng, n: int) -> Signal:
    pitch, tract = log_uniform(rng, 80, 190), (rng.uniform(300, 500), rng.uniform(650, 1_000), 2_200)
    return repeat(
        rng,
        n,
        (0.9, 1.9),
        (0.2, 0.6),
        lambda k: voice(rng, k, (0.75 * pitch, pitch, pitch, 0.8 * pitch), tract, 0.8, 0.08, 0.03),
    )


def sheep(rng: Rng, n: int) -> Signal:
    pitch, rate, tract = (
        log_uniform(rng, 200, 480),
        rng.uniform(6, 11),
        (rng.uniform(600, 900), rng.uniform(1_500, 2_100), 2_900),
    )
    return repeat(
        rng,
        n,
        (0.5, 1.1),
        (0.2, 0.7),
        lambda k: voice(rng, k, (pitch, 1.05 * pitch, 0.9 * pitch), tract, 0.6, 0.1, 0.04) * tremolo(k, rate, 0.7),
    )


def oink(rng: Rng, n: int) -> Signal:
    pitch, tract = log_uniform(rng, 90, 260), (rng.uniform(350, 700), rng.uniform(1_100, 1_900))
    return repeat(rng, n, (0.1, 0.3), (0.05, 0.45), lambda k: voice(rng, k, (pitch, 0.7 * pitch), tract, 0.5, 0.9, 0.3))


def rooster(rng: Rng, n: int) -> Signal:
    pitch, tract = log_uniform(rng, 450, 850), (rng.uniform(900, 1_300), rng.uniform(2_200, 2_900), 3_800)

    def crow_call(k: int) -> Signal:
        rhythm = np.maximum(contour(k, (0, 1, 0.1, 1, 0.1, 1, 0.1, 1, 1, 1, 0.8, 0)), 0.0)
        return rhythm * voice(
            rng, k, (0.8 * pitch, pitch, 1.1 * pitch, 1.35 * pitch, 1.25 * pitch, 0.8 * pitch), tract, 0.5, 0.1, 0.02
        )

    return repeat(rng, n, (1.3, 2.1), (0.2, 0.5), crow_call)


def duck(rng: Rng, n: int) -> Signal:
    pitch, tract = log_uniform(rng, 180, 420), (rng.uniform(1_000, 1_500), rng.uniform(2_200, 2_900))
    gap = rng.uniform(0.05, 0.25)
    return repeat(
        rng,
        n,
        (0.1, 0.22),
        (gap, 1.5 * gap),
        lambda k: voice(rng, k, (pitch, 1.05 * pitch, 0.8 * pitch), tract, 0.3, 0.15, 0.06),
    )


def pigeon(rng: Rng, n: int) -> Signal:
    pitch, rate = log_uniform(rng, 260, 480), rng.uniform(14, 28)

    def coo(k: int) -> Signal:
        f0 = contour(k, (0.9 * pitch, 1.1 * pitch, pitch, 0.85 * pitch))
        return (tone(f0) + 0.15 * tone(2 * f0)) * tremolo(k, rate, rng.uniform(0.3, 0.8)) * hump(k, 0.25, 0.4)

    return repeat(rng, n, (0.3, 0.75), (0.08, 0.4), coo)


def crow(rng: Rng, n: int) -> Signal:
    pitch, tract = log_uniform(rng, 320, 620), (rng.uniform(1_000, 1_600), rng.uniform(1_900, 2_600), 3_600)
    return repeat(
        rng, n, (0.22, 0.45), (0.15, 0.6), lambda k: voice(rng, k, (pitch, 1.1 * pitch, 0.85 * pitch), tract, 0.4, 0.5, 0.18)
    )


def owl(rng: Rng, n: int) -> Signal:
    pitch, overtone = log_uniform(rng, 240, 520), rng.uniform(0.02, 0.2)

    def hoot(k: int) -> Signal:
        f0 = contour(k, (0.92 * pitch, pitch, pitch, 0.93 * pitch))
        return (tone(f0) + overtone * tone(2 * f0) + 0.05 * shape(noise(rng, k), band(pitch, 0.7))) * hump(k, 0.2, 0.4)

    return repeat(rng, n, (0.15, 0.6), (0.1, 0.6), hoot)


def bird(rng: Rng, n: int) -> Signal:
    base, shapes = log_uniform(rng, 2_000, 5_000), rng.uniform(0.75, 1.35, (3, 3))
    length, gap, trill = log_uniform(rng, 0.04, 0.2), log_uniform(rng, 0.03, 0.35), rng.choice([0.0, 0.0, 25.0, 45.0])

    def chirp(k: int) -> Signal:
        f0 = contour(k, base * shapes[rng.integers(3)]) * (
            1 + (0.08 if trill else 0.0) * np.sin(2 * np.pi * trill * seconds(k))
        )
        return (tone(f0) + 0.1 * tone(2 * np.minimum(f0, 3_700.0))) * hump(k, 0.2, 0.4)

    return repeat(rng, n, (length, 1.6 * length), (gap, 2.0 * gap), chirp)


def cricket(rng: Rng, n: int) -> Signal:
    pitch, pulse, chirps = log_uniform(rng, 2_600, 5_800), rng.uniform(25, 65), rng.uniform(1.5, 7.0)
    gate = np.clip(4 * (tremolo(n, chirps * rng.uniform(0.95, 1.05), 1.0) - rng.uniform(0.1, 0.6)), 0.0, 1.0)
    x = tone(np.full(n, pitch) * wander(rng, n, 4.0, 0.995, 1.005)) * tremolo(n, pulse, 0.95, 2.0)
    other = tone(np.full(n, pitch * rng.uniform(0.85, 1.15))) * tremolo(n, 0.9 * pulse, 0.95, 2.0)
    return x * gate + rng.uniform(0.0, 0.3) * other


def mosquito(rng: Rng, n: int) -> Signal:
    f0 = log_uniform(rng, 380, 850) * wander(rng, n, 3.0, 0.9, 1.12)
    return harmonics(f0, rng.uniform(0.6, 1.3)) * wander(rng, n, 3.0, 0.15, 1.0)


def bee(rng: Rng, n: int) -> Signal:
    total = np.zeros(n)
    for _ in range(rng.integers(1, 4)):
        f0 = log_uniform(rng, 120, 290) * wander(rng, n, 5.0, 0.9, 1.1)
        total += harmonics(f0, rng.uniform(0.5, 1.0)) * wander(rng, n, 3.0, 0.2, 1.0)
    return shape(total + 0.1 * noise(rng, n), formants((rng.uniform(250, 600), rng.uniform(1_500, 3_000)), 400.0, 0.15))


def frog(rng: Rng, n: int) -> Signal:
    ring_hz, rate = log_uniform(rng, 350, 2_200), log_uniform(rng, 22, 110)
    pulse = modes((ring_hz, 1.9 * ring_hz), (0.008, 0.004), (1.0, 0.5), 0.04)

    def croak(k: int) -> Signal:
        return strikes(rng, k, regular_times(rng, k, 1.0 / rate, 0.08), lambda: pulse, 2.0) * hump(k, 0.35, 0.25)

    return repeat(rng, n, (0.15, 0.6), (0.1, 0.6), croak)


def whale(rng: Rng, n: int) -> Signal:
    pitch, slope = log_uniform(rng, 110, 600), rng.uniform(1.2, 2.5)
    tail = convolve(impulses(rng, int(0.5 * SAMPLE_RATE), 60.0), noise_burst(rng, 0.02))

    def song(k: int) -> Signal:
        f0 = contour(k, [pitch * 2.0 ** rng.uniform(-1.0, 1.0) for _ in range(3)])
        return harmonics(f0, slope) * hump(k, 0.3, 0.4)

    dry = repeat(rng, n, (0.8, 2.0), (0.1, 0.4), song)
    wet = convolve(dry, tail)
    return dry + 0.4 * unit_peak(wet)
