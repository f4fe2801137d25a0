"""Synthesis of motors, vehicles, alarms, tools and clockwork."""

from __future__ import annotations

import numpy as np

from reaudio_model.miniature.synthesis import (
    Rng,
    Signal,
    band,
    contour,
    formants,
    harmonics,
    high_pass,
    hump,
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
    wander,
)


def _motor(rng: Rng, f0_hz: Signal, slope: float, hiss: float, box_hz: float) -> Signal:
    """A firing rhythm and its noise, in a box that resonates."""
    n = len(f0_hz)
    source = harmonics(f0_hz * wander(rng, n, 15.0, 0.98, 1.02), slope)
    return shape(source + hiss * noise(rng, n), formants((box_hz, 2.7 * box_hz, 6.1 * box_hz), 0.5 * box_hz, 0.08))


def engine(rng: Rng, n: int) -> Signal:
    f0 = log_uniform(rng, 22, 75) * wander(rng, n, 0.8, 0.85, 1.2)
    return _motor(rng, f0, rng.uniform(0.3, 0.9), rng.uniform(0.05, 0.5), log_uniform(rng, 120, 400))


def motorcycle(rng: Rng, n: int) -> Signal:
    low, high = log_uniform(rng, 35, 80), rng.uniform(1.4, 3.0)
    f0 = low * contour(n, [1.0, *rng.uniform(1.0, high, 3), high * rng.uniform(0.5, 1.0)])
    return _motor(rng, f0, rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.4), log_uniform(rng, 250, 700))


def car_passing(rng: Rng, n: int) -> Signal:
    closest, width = rng.uniform(0.3, 0.7), rng.uniform(0.12, 0.3)
    swell = np.exp(-0.5 * ((np.linspace(0, 1, n) - closest) / width) ** 2)
    tyres = shape(noise(rng, n), band(log_uniform(rng, 450, 1_300), 1.3))
    dull = shape(tyres, low_pass(700.0))
    f0 = log_uniform(rng, 50, 120) * (1.0 - 0.1 * np.tanh((np.linspace(0, 1, n) - closest) / (0.4 * width)))
    return swell * (swell * tyres + (1 - swell) * dull + rng.uniform(0.0, 0.4) * harmonics(f0, 1.0))


def helicopter(rng: Rng, n: int) -> Signal:
    rate, sharp = rng.uniform(8, 20), rng.uniform(2.0, 8.0)
    chop = shape(noise(rng, n), band(log_uniform(rng, 90, 350), 1.0)) * tremolo(n, rate, rng.uniform(0.7, 0.97), sharp)
    whine = harmonics(np.full(n, log_uniform(rng, 400, 1_200)), 1.0)
    return chop + rng.uniform(0.0, 0.12) * whine + 0.3 * shape(harmonics(np.full(n, rate), 0.3), low_pass(350.0))


def aircraft(rng: Rng, n: int) -> Signal:
    roar = shape(noise(rng, n), band(log_uniform(rng, 200, 900), rng.uniform(1.2, 2.0)))
    whine = tone(log_uniform(rng, 1_200, 3_600) * contour(n, (1.0, rng.uniform(0.75, 1.2))))
    return (roar + rng.uniform(0.01, 0.1) * whine) * contour(n, rng.uniform(0.35, 1.0, 3))


def siren(rng: Rng, n: int) -> Signal:
    low, ratio = log_uniform(rng, 450, 800), rng.uniform(1.4, 2.3)
    kind, t = rng.integers(3), seconds(n)
    rate = (rng.uniform(0.25, 0.6), rng.uniform(2.5, 5.0), rng.uniform(0.7, 1.3))[kind]  # wail, yelp, two notes
    cycle = np.sin(2 * np.pi * (rate * t + rng.random()))
    swing = np.tanh(25 * cycle) * 0.5 + 0.5 if kind == 2 else 0.5 + 0.5 * cycle
    ratio = 1.33 if kind == 2 else ratio
    return shape(harmonics(low * ratio**swing, rng.uniform(0.8, 2.0)), formants((1_000, 2_400), 700.0, 0.2))


def car_horn(rng: Rng, n: int) -> Signal:
    low, slope = log_uniform(rng, 300, 480), rng.uniform(0.3, 0.8)
    ratio = rng.choice([1.19, 1.26, 1.26, 1.5])

    def honk(k: int) -> Signal:
        chord = harmonics(np.full(k, low), slope) + harmonics(np.full(k, low * ratio), slope)
        return shape(chord, formants((1_400, 2_800), 900.0, 0.2)) * hump(k, 0.03, 0.06)

    longest = log_uniform(rng, 0.2, 1.6)
    return repeat(rng, n, (0.6 * longest, longest), (0.06, 0.35), honk)


def train_horn(rng: Rng, n: int) -> Signal:
    low, slope = log_uniform(rng, 210, 400), rng.uniform(0.6, 1.3)
    chord = low * np.array([1.0, 1.19, 1.41, 1.68])[: rng.integers(3, 5)]

    def blow(k: int) -> Signal:
        bend = contour(k, (0.96, 1.0, 1.0, 1.0, 0.97))
        notes = sum((harmonics(f * bend, slope) for f in chord), start=np.zeros(k))
        return (notes + 0.15 * shape(noise(rng, k), band(1_000, 1.0))) * hump(k, 0.12, 0.25)

    return repeat(rng, n, (0.8, 2.2), (0.15, 0.4), blow)


def reversing_beeps(rng: Rng, n: int) -> Signal:
    pitch, length, slope = log_uniform(rng, 800, 1_700), rng.uniform(0.25, 0.5), rng.uniform(1.5, 4.0)
    gap = length * rng.uniform(0.7, 1.3)
    return repeat(
        rng,
        n,
        (length, 1.001 * length),
        (gap, 1.001 * gap),
        lambda k: harmonics(np.full(k, pitch), slope) * hump(k, 0.03, 0.03),
    )


def alarm_clock(rng: Rng, n: int) -> Signal:
    pitch, beeps, rate = log_uniform(rng, 1_500, 3_400), int(rng.integers(2, 5)), rng.uniform(6, 11)
    beep = rng.uniform(0.45, 0.7) / rate
    gap = rng.uniform(0.2, 0.5)

    def group(k: int) -> Signal:
        on = np.mod(seconds(k) * rate, 1.0) < beep * rate
        return harmonics(np.full(k, pitch), 1.0, even=0.1) * on

    return repeat(rng, n, (beeps / rate, 1.001 * beeps / rate), (gap, 1.001 * gap), group)


def telephone_bell(rng: Rng, n: int) -> Signal:
    low, rate, length = log_uniform(rng, 800, 1_900), rng.uniform(15, 26), rng.uniform(0.5, 1.3)
    partials = low * np.array([1.0, rng.uniform(1.2, 1.35), 2.4, 3.7])
    ping = modes(list(partials), (0.25, 0.2, 0.12, 0.06), (1.0, 0.9, 0.5, 0.4), 0.5)

    def ring(k: int) -> Signal:
        x = strikes(rng, k, regular_times(rng, k, 1.0 / rate, 0.03), lambda: ping, 3.0)
        return x * hump(k, 0.02, 0.15)

    return repeat(rng, n, (length, 1.1 * length), (0.25, 0.7), ring)


def drill(rng: Rng, n: int) -> Signal:
    load = contour(n, [rng.uniform(0.6, 0.95), 1.0, *rng.uniform(0.7, 1.05, 3)])
    f0 = log_uniform(rng, 130, 420) * load
    return harmonics(f0, rng.uniform(0.3, 0.8)) + rng.uniform(0.1, 0.6) * shape(
        noise(rng, n), band(log_uniform(rng, 1_500, 4_500), 0.8)
    )


def chainsaw(rng: Rng, n: int) -> Signal:
    revs = contour(n, rng.uniform(0.55, 1.0, int(rng.integers(3, 8))))
    f0 = log_uniform(rng, 85, 190) * revs
    rasp = harmonics(f0, rng.uniform(0.1, 0.4)) * tremolo(n, rng.uniform(20, 40), rng.uniform(0.1, 0.4))
    return shape(
        rasp + rng.uniform(0.2, 0.6) * noise(rng, n) * revs**2, formants((log_uniform(rng, 500, 1_100), 2_800), 700.0, 0.2)
    )


def jackhammer(rng: Rng, n: int) -> Signal:
    rate, body = rng.uniform(12, 28), log_uniform(rng, 150, 500)
    clang = modes((body, 2.3 * body, 5.2 * body), (0.03, 0.02, 0.01), (1.0, 0.6, 0.4), 0.08)
    times = regular_times(rng, n, 1.0 / rate, 0.06)
    grit = low_pass(log_uniform(rng, 2_000, 6_000))
    return strikes(rng, n, times, lambda: clang, 3.0) + rng.uniform(0.4, 1.0) * strikes(
        rng, n, times, lambda: noise_burst(rng, 0.012, grit), 3.0
    )


def sewing_machine(rng: Rng, n: int) -> Signal:
    rate, body = rng.uniform(7, 20), log_uniform(rng, 700, 2_200)
    click = modes((body, 1.8 * body, 3.1 * body), (0.008, 0.005, 0.003), (1.0, 0.7, 0.5), 0.04)
    motor = harmonics(np.full(n, rate * rng.integers(8, 16)) * wander(rng, n, 3.0, 0.97, 1.03), 0.8)
    return strikes(rng, n, regular_times(rng, n, 1.0 / rate, 0.03), lambda: click, 3.0) + rng.uniform(0.1, 0.4) * motor


def vacuum_cleaner(rng: Rng, n: int) -> Signal:
    f0 = log_uniform(rng, 140, 420) * wander(rng, n, 1.0, 0.96, 1.03)
    air = shape(noise(rng, n), band(log_uniform(rng, 600, 2_500), rng.uniform(1.0, 1.8)))
    return air + rng.uniform(0.05, 0.35) * harmonics(f0, rng.uniform(0.6, 1.2))


def tick_tock(rng: Rng, n: int) -> Signal:
    rate, body = rng.uniform(1.8, 5.5), log_uniform(rng, 900, 3_800)
    sides = [
        modes((f, 1.6 * f, 2.9 * f), (0.012, 0.006, 0.004), (1.0, 0.6, 0.4), 0.06)
        for f in (body, body * rng.uniform(0.7, 0.95))
    ]
    times = regular_times(rng, n, 1.0 / rate, 0.01)
    total = strikes(rng, n, times[::2], lambda: sides[0], 1.5)
    return total + strikes(rng, n, times[1::2], lambda: sides[1], 1.5)


def typing(rng: Rng, n: int) -> Signal:
    body, low, rate = log_uniform(rng, 1_200, 4_500), log_uniform(rng, 150, 450), rng.uniform(4.0, 11.0)

    def key() -> Signal:
        f = body * rng.uniform(0.8, 1.25)
        click = noise_burst(rng, rng.uniform(0.002, 0.006), band(f, 0.7))
        thud = 0.3 * modes((low,), (0.012,), (1.0,), 0.08)
        thud[: min(len(click), len(thud))] += click[: len(thud)]
        return thud

    return strikes(rng, n, regular_times(rng, n, 1.0 / rate, 0.8), key, 10.0)


def sawing(rng: Rng, n: int) -> Signal:
    centre, teeth, stroke = log_uniform(rng, 900, 3_500), rng.uniform(40, 110), rng.uniform(0.2, 0.5)

    def push(k: int) -> Signal:
        scrape = shape(noise(rng, k), band(centre * rng.uniform(0.8, 1.25), 0.7), high_pass(200.0))
        return scrape * tremolo(k, teeth, 0.6, 2.0) * hump(k, 0.4, 0.4)

    return repeat(rng, n, (0.8 * stroke, 1.2 * stroke), (0.02, 0.15), push)
