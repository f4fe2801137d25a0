"""How much of the Frechet distance's bias extrapolation removes, and how noisy its random halvings are.

    python benchmarks/extrapolation.py

Simulated clips, one frame each, from Gaussians whose distance is known: eigenvalues 1/k^p, the second set shifted and
narrower. "15 points" is the procedure of arXiv 1911.07023 on the same features: one random subset (without
replacement) of each of 15 sizes from n / 2 to n, and a line through them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reaudio_eval.features.feature_set import FeatureSet
from reaudio_eval.scores.metrics import Subset
from reaudio_eval.scores.metrics.fad import frechet_distance, frechet_distance_infinity

SCALE, SHIFT = 0.8, 0.1  # of the second set, in standard deviations of the first
SAMPLES = 4
SEEDS = 8


def spectrum(d: int, power: float) -> npt.NDArray[np.float64]:
    """float64 (d,): falling eigenvalues that add up to 1."""
    eigenvalues = np.arange(1, d + 1.0) ** -power
    normalised: npt.NDArray[np.float64] = eigenvalues / eigenvalues.sum()
    return normalised


def sample(n: int, d: int, power: float, seed: int) -> tuple[FeatureSet, FeatureSet]:
    deviations = np.sqrt(spectrum(d, power))
    a, b = np.random.default_rng(seed).standard_normal((2, n, d)) * deviations
    ids, ones = tuple(f"{i:05}" for i in range(n)), np.ones(n, dtype=np.intp)
    sides = (a, SCALE * b + SHIFT * deviations)
    first, second = (FeatureSet(ids, x.astype(np.float32), ones, "simulated", "") for x in sides)
    return first, second


def by_halvings(a: FeatureSet, b: FeatureSet, seed: int) -> float:
    rows = np.arange(len(a))
    return frechet_distance_infinity(a, b, [Subset(rows, rows)], seed)[0]


def by_15_points(a: FeatureSet, b: FeatureSet, seed: int) -> float:
    rng, n = np.random.default_rng(seed), len(a)
    sizes = np.linspace(n / 2, n, 15).astype(int)
    draws = [rng.permutation(n)[:size] for size in sizes]
    distances = [frechet_distance(a.frames[rows], b.frames[rows]) for rows in draws]
    return float(np.polyfit(1 / sizes, distances, 1)[1])


def main() -> None:
    truth = (1 - SCALE) ** 2 + SHIFT**2
    print("eigenvalues   d   n/d    bias at n   bias of inf   removed   noise of halvings   noise of 15 points")
    for power in (1.0, 1.5):
        for ratio in (0.25, 0.5, 1, 2):
            d = 512
            sides = [sample(int(ratio * d), d, power, seed) for seed in range(SAMPLES)]
            point = np.mean([frechet_distance(a.frames, b.frames) for a, b in sides]) - truth
            extrapolated = np.mean([by_halvings(a, b, 0) for a, b in sides]) - truth
            ours, theirs = (np.std([f(*sides[0], seed) for seed in range(SEEDS)]) for f in (by_halvings, by_15_points))
            print(
                f"  1/k^{power}   {d:5d} {ratio:5.2f} {point:12.4f} {extrapolated:13.4f} {1 - extrapolated / point:9.0%}"
                f"{ours:20.4f} {theirs:20.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
