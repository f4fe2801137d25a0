"""Synthesis of weather, water, fire, struck and breaking objects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reaudio_model.miniature.synthesis import (
    SAMPLE_RATE,
    Rng,
    Signal,
    add_at,
    band,
    contour,
    convolve,
    high_pass,
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
    unit_peak,
    wander,
)


def rain(rng: Rng, n: int) -> Signal:
    drops = convolve(
        impulses(rng, n, log_uniform(rng, 150, 2_500)), noise_burst(rng, log_uniform(rng, 0.001, 0.004), high_pass(500.0))
    )
    hiss = shape(noise(rng, n), band(log_uniform(rng, 1_500, 5_000), rng.uniform(0.8, 1.5)))
    return unit_peak(drops) + rng.uniform(0.1, 0.9) * hiss


def wind(rng: Rng, n: int) -> Signal:
    low, howl_hz = shape(noise(rng, n), band(log_uniform(rng, 100, 350), 1.2)), log_uniform(rng, 350, 1_100)
    whistle = shape(noise(rng, n), band(howl_hz, rng.uniform(0.1, 0.4)))
    gusts = wander(rng, n, 1.5, 0.1, 1.0)
    return low * gusts + rng.uniform(0.2, 2.0) * whistle * gusts**2


def thunder(rng: Rng, n: int) -> Signal:
    rumble = shape(noise(rng, n), low_pass(log_uniform(rng, 90, 350)), high_pass(25.0))
    rolls = wander(rng, n, 5.0, 0.2, 1.0) * np.exp(-seconds(n) / rng.uniform(0.6, 2.5))
    crack = noise_burst(rng, rng.uniform(0.04, 0.25), low_pass(log_uniform(rng, 600, 4_000)))
    total = unit_peak(rumble) * rolls
    add_at(total, int(rng.random() * 0.2 * n), rng.uniform(0.0, 0.8) * unit_peak(crack))
    return total


def ocean(rng: Rng, n: int) -> Signal:
    wash, surf = (
        shape(noise(rng, n), low_pass(log_uniform(rng, 300, 800))),
        shape(noise(rng, n), high_pass(900.0), low_pass(5_000.0, 1.0)),
    )
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.uniform(0.25, 0.6) * seconds(n) + rng.random()))
    return wash * (0.3 + swell) + rng.uniform(0.3, 1.0) * surf * swell**2


def _bubble(rng: Rng, low_hz: float, high_hz: float) -> Signal:
    """A rising, dying sine: a bubble closing."""
    n = int(rng.uniform(0.03, 0.12) * SAMPLE_RATE)
    f0 = log_uniform(rng, low_hz, high_hz)
    return tone(f0 * contour(n, (1.0, rng.uniform(1.05, 1.5)))) * np.exp(-5.0 * np.linspace(0, 1, n))


def stream(rng: Rng, n: int) -> Signal:
    low, rate = log_uniform(rng, 300, 800), log_uniform(rng, 25, 110)
    times = [int(p * n) for p in rng.random(max(4, int(rate * n / SAMPLE_RATE)))]
    water = shape(noise(rng, n), band(log_uniform(rng, 500, 1_800), 1.0))
    return strikes(rng, n, times, lambda: _bubble(rng, low, 4 * low), 20.0) + rng.uniform(0.3, 1.5) * water


def drip(rng: Rng, n: int) -> Signal:
    low, period = log_uniform(rng, 500, 1_600), rng.uniform(0.18, 0.8)
    return strikes(rng, n, regular_times(rng, n, period, 0.3), lambda: _bubble(rng, low, 1.5 * low), 8.0)


def fire(rng: Rng, n: int) -> Signal:
    snaps = convolve(
        impulses(rng, n, log_uniform(rng, 8, 50)), noise_burst(rng, log_uniform(rng, 0.0015, 0.006), high_pass(700.0))
    )
    roar = shape(noise(rng, n), low_pass(log_uniform(rng, 200, 600)))
    return unit_peak(snaps) + rng.uniform(0.1, 0.7) * roar * wander(rng, n, 6.0, 0.4, 1.0)


def frying(rng: Rng, n: int) -> Signal:
    pops = convolve(impulses(rng, n, log_uniform(rng, 60, 500)), noise_burst(rng, 0.0015, high_pass(2_500.0)))
    sizzle = shape(noise(rng, n), high_pass(log_uniform(rng, 2_200, 4_500)))
    return unit_peak(pops) + rng.uniform(0.2, 1.0) * sizzle * wander(rng, n, 4.0, 0.7, 1.0)


def steam(rng: Rng, n: int) -> Signal:
    centre = log_uniform(rng, 2_800, 6_000)
    return repeat(
        rng,
        n,
        (0.3, 2.4),
        (0.1, 0.5),
        lambda k: shape(noise(rng, k), band(centre, rng.uniform(0.3, 0.7))) * hump(k, 0.05, 0.4),
    )


def applause(rng: Rng, n: int) -> Signal:
    total, claps = np.zeros(n), log_uniform(rng, 25, 300)
    for _ in range(4):  # four kinds of hands
        clap = noise_burst(rng, rng.uniform(0.003, 0.01), band(log_uniform(rng, 700, 2_200), 0.6))
        total += convolve(impulses(rng, n, claps / 4), clap)
    return total * contour(n, rng.uniform(0.5, 1.0, 3))


def glass(rng: Rng, n: int) -> Signal:
    base, shatter = log_uniform(rng, 1_300, 3_200), rng.random() < 0.5

    def clink() -> Signal:
        f = base * rng.uniform(0.7, 1.6, 4) * np.array([1.0, 1.6, 2.3, 3.1])
        ring = rng.uniform(0.02, 0.08) if shatter else rng.uniform(0.1, 0.3)
        return modes(list(f), (ring, 0.7 * ring, 0.5 * ring, 0.3 * ring), (1.0, 0.8, 0.7, 0.5), 5 * ring)

    if not shatter:
        return strikes(rng, n, regular_times(rng, n, rng.uniform(0.2, 0.8), 0.4), clink, 6.0)
    start = int(rng.uniform(0.0, 0.25) * n)
    spread = rng.uniform(0.08, 0.3) * SAMPLE_RATE
    times = [start + int(-spread * np.log(1.0 - p)) for p in rng.random(int(rng.integers(20, 50)))]
    total = strikes(rng, n, times, clink, 15.0)
    add_at(total, start, 4.0 * noise_burst(rng, 0.03, high_pass(1_500.0)))
    return total


def church_bell(rng: Rng, n: int) -> Signal:
    hum, decay = log_uniform(rng, 110, 420), rng.uniform(0.5, 2.0)
    partials = (
        hum * np.array([1.0, 2.0, 2.4, 3.0, 4.0, 5.3, 6.7]) * rng.uniform(0.99, 1.01, 7)
    )  # hum, prime, tierce, quint, nominal
    fade = list(decay * np.array([1.0, 0.8, 0.7, 0.5, 0.4, 0.25, 0.15]))
    toll = modes(list(partials), fade, list(rng.uniform(0.3, 1.0, 7)), n / SAMPLE_RATE)
    return strikes(rng, n, regular_times(rng, n, rng.uniform(0.6, 2.2), 0.1), lambda: toll, 4.0)


def gong(rng: Rng, n: int) -> Signal:
    low, bloom = log_uniform(rng, 60, 190), rng.uniform(0.1, 0.4)
    partials = low * np.sort(rng.uniform(1.0, 9.0, 14))
    crash = modes(list(partials), list(2.5 / np.sqrt(partials / low)), list(rng.uniform(0.2, 1.0, 14)), n / SAMPLE_RATE)
    t = seconds(len(crash))
    shimmer = shape(noise(rng, len(t)), band(12 * low, 0.8)) * (1 - np.exp(-t / bloom)) * np.exp(-t / 0.7)
    return strikes(rng, n, [int(rng.uniform(0, 0.1) * n)], lambda: crash + rng.uniform(0.5, 2.5) * shimmer)


def wind_chime(rng: Rng, n: int) -> Signal:
    tubes = log_uniform(rng, 900, 2_200) * np.array([1.0, 1.12, 1.26, 1.5, 1.68, 2.0])
    pings = [modes((f, 2.76 * f), (rng.uniform(0.2, 0.6), 0.1), (1.0, 0.4), 1.0) for f in tubes]
    times = [int(p * n) for p in rng.random(max(3, int(rng.uniform(2, 9) * n / SAMPLE_RATE)))]
    return strikes(rng, n, times, lambda: pings[rng.integers(len(pings))], 12.0)


def _wood(rng: Rng, body_hz: float, ring_s: float) -> Callable[[], Signal]:
    ratios = np.array([1.0, 1.9, 3.2]) * rng.uniform(0.9, 1.1, 3)
    return lambda: modes(
        list(body_hz * ratios * rng.uniform(0.97, 1.03)), (ring_s, 0.6 * ring_s, 0.4 * ring_s), (1.0, 0.5, 0.3), 6 * ring_s
    )


def knock(rng: Rng, n: int) -> Signal:
    hit, gap, count = (
        _wood(rng, log_uniform(rng, 110, 450), rng.uniform(0.015, 0.05)),
        rng.uniform(0.12, 0.28),
        rng.integers(2, 6),
    )

    def knocks(k: int) -> Signal:
        return strikes(rng, k, regular_times(rng, k, gap, 0.1)[:count], hit, 4.0)

    return repeat(rng, n, (count * gap, count * gap * 1.1), (0.3, 0.9), knocks)


def footsteps(rng: Rng, n: int) -> Signal:
    thud, grit = _wood(rng, log_uniform(rng, 60, 240), rng.uniform(0.01, 0.03)), log_uniform(rng, 800, 4_500)
    scrape, length = rng.uniform(0.1, 2.0), rng.uniform(0.015, 0.05)

    def step() -> Signal:
        x = np.zeros(int(0.4 * SAMPLE_RATE))
        add_at(x, 0, thud())
        add_at(x, int(rng.uniform(0.0, 0.03) * SAMPLE_RATE), scrape * noise_burst(rng, length, band(grit, 0.8)))
        return x

    return strikes(rng, n, regular_times(rng, n, rng.uniform(0.28, 0.7), 0.08), step, 4.0)


def clip_clop(rng: Rng, n: int) -> Signal:
    body, period = log_uniform(rng, 420, 1_100), rng.uniform(0.35, 0.75)
    hoof = [_wood(rng, body * f, rng.uniform(0.008, 0.02)) for f in (1.0, rng.uniform(1.15, 1.4))]
    beats = (0.0, 0.5) if rng.random() < 0.5 else (0.0, 0.22, 0.5)  # trot, canter
    total = np.zeros(n)
    for start in regular_times(rng, n, period, 0.03):
        for i, beat in enumerate(beats):
            add_at(total, start + int(beat * period * SAMPLE_RATE), hoof[i % 2]() * rng.uniform(0.6, 1.0))
    return total


def hammer(rng: Rng, n: int) -> Signal:
    body, ring = log_uniform(rng, 350, 1_600), rng.uniform(0.02, 0.15)
    f = list(body * np.array([1.0, 2.76, 5.4]) * rng.uniform(0.95, 1.05, 3))

    def blow() -> Signal:
        x = modes(f, (ring, 0.6 * ring, 0.3 * ring), (1.0, 0.7, 0.5), 6 * ring)
        add_at(x, 0, rng.uniform(0.5, 1.2) * noise_burst(rng, 0.006, low_pass(5_000.0)))
        return x

    return strikes(rng, n, regular_times(rng, n, rng.uniform(0.25, 0.9), 0.12), blow, 3.0)


def gunshot(rng: Rng, n: int) -> Signal:
    colour, decay, period = (
        low_pass(log_uniform(rng, 1_500, 6_500), 1.0),
        rng.uniform(0.03, 0.12),
        log_uniform(rng, 0.09, 1.3),
    )

    def shot() -> Signal:
        x = noise_burst(rng, decay, colour)
        x[:16] += 1.0
        return x

    return strikes(rng, n, regular_times(rng, n, period, 0.2)[: rng.integers(1, 9)], shot, 3.0)


def fireworks(rng: Rng, n: int) -> Signal:
    def rocket(k: int) -> Signal:
        rise = int(k * rng.uniform(0.15, 0.5))
        total = np.zeros(k)
        base = log_uniform(rng, 900, 2_200)
        add_at(total, 0, rng.uniform(0.0, 0.3) * tone(contour(rise + 2, (base, 1.6 * base))) * hump(rise + 2))
        add_at(total, rise, 2.0 * noise_burst(rng, rng.uniform(0.05, 0.2), low_pass(log_uniform(rng, 250, 900))))
        sparks = impulses(rng, k - rise, 90.0) * np.exp(-seconds(k - rise) / 0.35)
        add_at(total, rise, rng.uniform(0.2, 1.0) * convolve(sparks, noise_burst(rng, 0.003, high_pass(1_800.0))))
        return total

    return repeat(rng, n, (0.6, 1.6), (0.0, 0.3), rocket)
