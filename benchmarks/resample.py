"""Milliseconds to decode and resample a 10 s clip, for each resampler.

    python benchmarks/resample.py

Writes noise as 16-bit stereo FLAC to a temporary folder, decodes it and resamples it to mono with the rule of a protocol;
median of 15 runs on one core after one warm-up (which also makes the filter).
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from reaudio_eval.features.protocols import Resampler, WaveformRule
from reaudio_eval.features.waveform import apply_rule
from reaudio_model.common.audio import decode

SECONDS = 10
REPEATS = 15
PAIRS = ((44_100, 16_000), (48_000, 16_000), (44_100, 32_000), (16_000, 48_000))
RESAMPLERS: tuple[Resampler, ...] = ("sinc_hann", "sinc_kaiser", "soxr_hq")


def milliseconds(run: Callable[[], object]) -> float:
    """Median time of a call."""
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    rng = np.random.default_rng(0)
    print(f"{'Hz':>15} {'decode':>8} " + " ".join(f"{name:>12}" for name in RESAMPLERS) + "   (ms per 10 s clip)")
    with tempfile.TemporaryDirectory() as folder:
        for old, new in PAIRS:
            path = Path(folder) / f"{old}.flac"
            soundfile.write(path, 0.1 * rng.standard_normal((SECONDS * old, 2)), old)
            decoded = decode(path)
            rules = [WaveformRule(mono="mean", resampler=name) for name in RESAMPLERS]
            cells = [milliseconds(lambda rule=rule: apply_rule(decoded, rule, new)) for rule in rules]  # noqa: B023
            row = " ".join(f"{cell:12.1f}" for cell in cells)
            print(f"{old:>6} -> {new:>5} {milliseconds(lambda: decode(path)):8.1f} {row}")  # noqa: B023


if __name__ == "__main__":
    main()
