"""Frechet distance at the width of PANNs (d = 2048): the exact low-rank trace beside scipy's matrix square root.

    python benchmarks/frechet.py [--clips 100 964] [--width 2048]

Both run in this process on the same features, one after the other. Peak memory is what each allocates on top of the
features (tracemalloc: NumPy's arrays, not LAPACK's own workspace). sqrtm takes about a minute a call.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import sqrtm

from reaudio_eval.scores.metrics.fad import frechet_distance

Float64 = npt.NDArray[np.float64]


class Measured(NamedTuple):
    value: float
    seconds: float
    peak_mib: float


def by_sqrtm(a: Float64, b: Float64) -> float:
    """The usual implementation: sqrtm of the product of the covariances, real part."""
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    shift = a.mean(axis=0) - b.mean(axis=0)
    return float(shift @ shift + np.trace(s1) + np.trace(s2) - 2 * np.trace(sqrtm(s1 @ s2)).real)


def measure(distance: Callable[[Float64, Float64], float], a: Float64, b: Float64) -> Measured:
    tracemalloc.start()
    start = time.perf_counter()
    value = distance(a, b)
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return Measured(value, seconds, peak)


def features(n: int, width: int, seed: int = 0) -> tuple[Float64, Float64]:
    """Two samples whose eigenvalues fall as 1/k, the second shifted and 10 % wider."""
    deviations = 1 / np.sqrt(np.arange(1, width + 1))
    a, b = np.random.default_rng(seed).standard_normal((2, n, width)) * deviations
    return a, 1.1 * b + 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[100, 964])
    parser.add_argument("--width", type=int, default=2048)
    options = parser.parse_args()
    print("    n      low-rank s     sqrtm s    ratio   low-rank MiB   sqrtm MiB   relative difference")
    for n in options.clips:
        a, b = features(n, options.width)
        ours, theirs = measure(frechet_distance, a, b), measure(by_sqrtm, a, b)
        print(
            f"{n:5d} {ours.seconds:15.4f} {theirs.seconds:11.2f} {theirs.seconds / ours.seconds:8.0f} "
            f"{ours.peak_mib:14.0f} {theirs.peak_mib:11.0f} {abs(ours.value / theirs.value - 1):21.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
