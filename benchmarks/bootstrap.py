"""Time of the class bootstrap, and of the whole analysis, on a synthetic test set of AudioCaps' shape.

    python benchmarks/bootstrap.py [--clips 975] [--classes 190] [--draws 2000] [--systems 8] [--metrics 6]

Prints seconds (best of three) for: every interval of one metric of one system (overall, strata, curve, bins, eleven trend
statistics) from 2,000 resamples of the classes; and ``analyse`` for all systems and metrics, paired comparisons included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.class_table import class_table, score_arrays
from reaudio_eval.statistics.estimates import Context
from reaudio_eval.statistics.intervals import Draws
from reaudio_eval.statistics.longtail import analyse
from reaudio_eval.statistics.rows import block

LABELS_PER_CLIP = 2.7
REPEATS = 3


def synthetic_dataset(n_clips: int, n_classes: int, rng: np.random.Generator) -> Dataset:
    """Zipf-distributed classes, the last on a few clips; the last two never seen in training."""
    weights = 1 / np.arange(1, n_classes + 1)
    weights /= weights.sum()
    labels = np.array([f"class{i:03d}" for i in range(n_classes)])
    prompts = []
    for i in range(n_clips):
        size = min(n_classes, 1 + rng.poisson(LABELS_PER_CLIP - 1))
        # Every class is on some clip, as in the join of AudioCaps with its labels.
        own = {str(labels[i % n_classes]), *(str(x) for x in rng.choice(labels, size=size, p=weights))}
        prompts.append(Prompt(f"clip{i:05d}", f"caption {i}", tuple(sorted(own))))
    counts = {str(label): int(20_000 * w / weights[0]) for label, w in zip(labels, weights, strict=True)}
    counts |= {str(labels[-1]): 0, str(labels[-2]): 0}
    return Dataset("synthetic", "test", tuple(prompts), counts, {str(x): str(x) for x in labels})


def synthetic_system(name: str, dataset: Dataset, n_metrics: int, rng: np.random.Generator) -> SystemScores:
    metrics = tuple(MetricInfo(f"metric{m}", f"Metric {m}", "clip", True, "", "none") for m in range(n_metrics))
    frames = [
        pd.DataFrame(
            {
                "clip_id": [p.clip_id for p in dataset.prompts],
                "metric": metric.name,
                "label": None,
                "value": rng.normal(0.3, 0.12, len(dataset.prompts)),
            }
        )
        for metric in metrics
    ]
    scores = pd.concat(frames, ignore_index=True)[SCORES.required]
    info = SystemInfo(name, "generated", len(dataset.prompts))
    return SystemScores(info, metrics, scores, pd.DataFrame(columns=SET_VALUES.names))


def best_of(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("clips", 975), ("classes", 190), ("draws", 2000), ("systems", 8), ("metrics", 6)):
        parser.add_argument(f"--{option}", type=int, default=default)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    dataset = synthetic_dataset(args.clips, args.classes, rng)
    strata = strata_scheme("log10", dataset.train_counts)
    systems = [synthetic_system(f"system{i}", dataset, args.metrics, rng) for i in range(args.systems)]

    table = class_table(dataset, strata)
    metric = systems[0].metrics[0]
    values = score_arrays(systems[0], table)[metric.name]

    def one() -> None:  # with draws of its own each time: nothing is cached
        context = Context(table, Draws(0, args.draws), Draws(0, args.draws, keep=4))
        block(systems[0], metric, values, dataset, context)

    def everything() -> None:
        analyse(systems, dataset, strata, n_draws=args.draws)

    shape = f"{args.clips} clips x {len(table.labels)} classes, {args.draws:,} draws"
    print(f"{Path(__file__).name}: {shape}")
    print(f"one system, one metric, every interval: {best_of(one):.3f} s")
    print(f"analyse, {args.systems} systems x {args.metrics} metrics, paired: {best_of(everything):.2f} s")


if __name__ == "__main__":
    main()
