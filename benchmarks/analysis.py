"""Time and memory of the long-tail analysis of AudioCaps' test set at its real size.

    python benchmarks/analysis.py [--systems 8] [--data-root ../shared/data/audiocaps]

Scores are drawn at random: three metrics with a value for each label of a clip, and three with one for each clip.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd

from reaudio_eval import plugins
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import MetricInfo, Range, SystemScores
from reaudio_eval.statistics.longtail import analyse

METRICS = (
    *(MetricInfo(f"recall_{i}", f"Recall {i}", "label", True, "share", "", range=Range(0.0, 1.0)) for i in range(3)),
    MetricInfo("cosine", "Cosine", "clip", True, "cosine", "", range=Range(-1.0, 1.0)),
    MetricInfo("divergence", "Divergence", "clip", False, "nats", "", range=Range(0.0, None)),
    MetricInfo("rating", "Rating", "clip", True, "", "", range=Range(0.0, 10.0)),
)


def scores(name: str, dataset: Dataset, rng: np.random.Generator) -> SystemScores:
    """Random scores of one system in every metric."""
    rows = []
    for prompt in dataset.prompts:
        for metric in METRICS:
            for label in prompt.labels if metric.level == "label" else (None,):
                value = float(rng.random() < 0.4) if metric.level == "label" else float(rng.random())
                rows.append({"clip_id": prompt.clip_id, "metric": metric.name, "label": label, "value": value})
    system = SystemInfo(name, "generated", len(dataset.prompts))
    return SystemScores(system, METRICS, SCORES.frame(rows), SET_VALUES.empty())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", type=int, default=8)
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data/audiocaps"))
    args = parser.parse_args()
    dataset = plugins.load("datasets", "audiocaps").load(DatasetOptions(args.data_root))
    rng = np.random.default_rng(0)
    systems = [scores(f"system-{i}", dataset, rng) for i in range(args.systems)]
    before = time.perf_counter()
    analysis = analyse(systems, dataset, strata_scheme("log10", dataset.train_counts))
    seconds = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    row = {
        "systems": len(systems),
        "metrics": len(METRICS),
        "clips": len(dataset.prompts),
        "classes": int((analysis.labels["n_test"] > 0).sum()),
        "tests": int(analysis.paired["p_value"].notna().sum()),
        "seconds": round(seconds, 1),
        "peak_gib": round(peak, 2),
    }
    print(pd.DataFrame([row]).to_string(index=False))


if __name__ == "__main__":
    main()
