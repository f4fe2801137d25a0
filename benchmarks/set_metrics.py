"""Coverage of the intervals of set metrics, and level of their paired tests.

    python benchmarks/set_metrics.py [RUNS]

Simulated clips of classes with Zipf frequencies. Logits of a clip: normal noise, plus ``clarity`` at its class. Embeddings: heavy-tailed
noise with a falling spectrum around the centre of the class, 64 dimensions, one a clip; two systems of one distribution, and real clips
of the same prompts. The truth is the mean of the metric over all runs, at that number of clips. "width": root mean square of the standard
error over the true standard deviation. "rejected": paired tests of the two systems at 5 %. "draws": half the range of 95 % of single draws,
over 1.96 true standard deviations, which earlier versions printed as the interval in a stratum.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import numpy as np
from scipy import stats

from reaudio_eval.features.feature_set import FeatureSet
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.jackknife import Floats, jackknife_interval
from reaudio_eval.scores.metrics import MetricInput, SetMetric, inception_score, kad
from reaudio_eval.scores.metrics import fad as frechet
from reaudio_eval.scores.set_metrics import MATCHED_DRAWS, Floors, Partition, disjoint_pairs, matched_size, set_rows
from reaudio_eval.statistics.intervals import paired_jackknife, t_test_p

RUNS = 600
LEVEL = 0.05
DIMENSIONS = 64
CLASSES = 40
Pair = tuple[MetricInput, MetricInput]


def classes(n: int, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    weights = 1 / np.arange(1, n_classes + 1)
    return rng.choice(n_classes, size=n, p=weights / weights.sum())


def features(frames: Floats, logits: Floats | None = None) -> FeatureSet:
    n = len(frames)
    ids, ones = tuple(f"{i:05}" for i in range(n)), np.ones(n, dtype=np.intp)
    given = None if logits is None else logits.astype(np.float32)
    return FeatureSet(ids, frames.astype(np.float32), ones, "simulated", "", given)


def measured(generated: FeatureSet, reference: FeatureSet | None = None) -> MetricInput:
    prompts = tuple(Prompt(i, "", ()) for i in generated.clip_ids)
    return MetricInput(generated, reference, prompts, get_protocol(DEFAULT_PROTOCOL))


def with_logits(n: int, n_classes: int, clarity: float, rng: np.random.Generator) -> Pair:
    """Two systems whose clips of a prompt have the same class."""
    own = classes(n, n_classes, rng)

    def system() -> MetricInput:
        logits = rng.standard_normal((n, n_classes))
        logits[np.arange(n), own] += clarity
        return measured(features(np.zeros((n, 1)), logits))

    return system(), system()


def with_embeddings(n: int, rng: np.random.Generator) -> Pair:
    """Two systems, narrower around the centres and shifted, and real clips of the same classes."""
    spectrum = np.arange(1, DIMENSIONS + 1.0) ** -0.7
    centres = np.random.default_rng(5).standard_normal((CLASSES, DIMENSIONS)) * spectrum
    own = classes(n, CLASSES, rng)

    def clips(pull: float, shift: float) -> FeatureSet:
        heavy = np.sqrt(rng.chisquare(8, size=(n, 1)) / 8)
        return features(pull * centres[own] + (rng.standard_normal((n, DIMENSIONS)) / heavy + shift) * spectrum)

    real = clips(1.0, 0.0)
    return measured(clips(0.9, 0.5), real), measured(clips(0.9, 0.5), real)


def cell(
    definition: SetMetric, pairs: Iterable[Pair], stratum: str = "all", partition: Partition | None = None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Value and standard error of the first system, limits of its interval, and p-value of the pair, each (RUNS,)."""
    found = []
    for pair in pairs:
        rows = [
            next(
                r
                for r in set_rows("m", definition, [each], partition or Partition(), Floors())[0]
                if r["stratum"] == stratum
            )
            for each in pair
        ]
        (a, b), own = rows, jackknife_interval(rows[0]["value"], rows[0]["replicates"])
        difference = paired_jackknife(a["value"], a["replicates"], b["value"], b["replicates"])
        found.append((a["value"], own.se, a["ci_low"], a["ci_high"], t_test_p(a["value"] - b["value"], difference)))
    value, se, low, high, p = np.array(found, dtype=np.float64).T
    return value, se, np.stack([low, high]), p


def line(name: str, result: tuple[Floats, Floats, Floats, Floats], more: str = "") -> None:
    value, se, (low, high), p = result
    truth, sd = value.mean(), value.std()
    covered = np.mean((low <= truth) & (truth <= high))
    width = np.sqrt(np.mean(se**2)) / sd
    print(f"{name:<46}{truth:>8.2f}{sd:>8.3f}{covered:>9.3f}{width:>8.2f}{np.mean(p < LEVEL):>10.3f}{more}", flush=True)


def spread_of_draws(n: int, size: int, sd: float, pairs: Iterable[Pair]) -> float:
    definition, halves = frechet.METRICS[1], []
    for given, _ in pairs:
        values = np.array(definition.compute(given, disjoint_pairs(np.arange(n), size, MATCHED_DRAWS, 0)), dtype=np.float64)
        halves.append(np.ptp(np.quantile(values, [LEVEL / 2, 1 - LEVEL / 2])) / 2)
    return float(np.mean(halves) / (stats.norm.ppf(1 - LEVEL / 2) * sd))


def main() -> None:
    runs, rng = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS, np.random.default_rng(0)

    def draw(world: Callable[[], Pair], share: float = 1.0) -> Iterable[Pair]:
        return (world() for _ in range(int(runs * share)))

    print(f"{'':<46}{'truth':>8}{'sd':>8}{'covered':>9}{'width':>8}{'rejected':>10}")
    (score,), fd, (distance,) = inception_score.METRICS, frechet.METRICS[1], kad.METRICS
    for n_classes in (50, 527):
        for n in (48, 289, 975):
            for clarity in (3.0, 6.0, 9.0):
                world = lambda n=n, c=n_classes, s=clarity: with_logits(n, c, s, rng)  # noqa: E731
                line(f"IS, {n} clips, {n_classes} classes, clarity {clarity:g}", cell(score, draw(world)))
    for n in (48, 289):
        world = lambda n=n: with_embeddings(n, rng)  # noqa: E731
        line(f"FD, {n} clips", cell(fd, draw(world, 0.5)))
        line(f"KAD, {n} clips", cell(distance, draw(world, 0.5)))
    print(f"{'':<96}draws")
    for n, smallest in ((23, 23), (35, 35), (60, 60), (60, 23), (150, 23), (150, 60)):
        partition = Partition({"s": np.arange(n), "other": np.arange(smallest)})
        world, size = (lambda n=n: with_embeddings(n, rng)), matched_size(partition)
        result = cell(fd, draw(world, 0.5), "s", partition)
        more = spread_of_draws(n, size or 0, result[0].std(), draw(world, 0.1))
        line(f"FD in a stratum of {n} clips, {size} on a side", result, f"{more:>7.2f}")


if __name__ == "__main__":
    main()
