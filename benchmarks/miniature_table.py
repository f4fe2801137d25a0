"""Table 1 of the paper on the miniature: every bundled system, several sampling seeds, each with the report of that seed.

    python benchmarks/miniature_table.py OUTPUT [SEED ...] [--models NAME,NAME] [--candidates N]      (default: seeds 0, 1, 2)

Writes ``OUTPUT/seed-N/longtail.html`` and, over the seeds, ``OUTPUT/table1.csv`` (system, metric, mean, standard deviation over seeds),
``OUTPUT/strata.csv`` and ``OUTPUT/regimes.csv`` (the same within strata and within zero-shot regimes), and ``OUTPUT/paired.csv``: each
system against the one without retrieval, class by class, the class scores averaged over the seeds first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import bootstrap, false_discovery_control, permutation_test

import reaudio_eval
from reaudio_eval import plugins
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_model.common.progress import Reporter
from reaudio_model.miniature.bundled import shipped
from reaudio_model.miniature.world import regime, train_counts

DEFAULTS = plugins.load("datasets", "miniature").defaults


def run(output: Path, seed: int, models: Sequence[str], candidates: int | None) -> LongtailAnalysis:
    """One seed of the systems."""
    result = reaudio_eval.longtail(
        models=(*models, "copy-retrieved"),
        baselines="none",
        candidates=candidates,
        seed=seed,
        output=output,
        reporter=Reporter(),
    )
    analysis: LongtailAnalysis = result.analysis
    return analysis


def over_seeds(frames: list[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """Mean and standard deviation of "value" over seeds."""
    together = pd.concat(frames)
    return together.groupby(keys, sort=False)["value"].agg(["mean", "std", "count"]).reset_index()


def by_regime(analysis: LongtailAnalysis) -> pd.DataFrame:
    """Means over the classes of each regime: in training, only in the pool, in neither."""
    frame = analysis.per_class.assign(regime=[regime(label) for label in analysis.per_class["label"]])
    return frame.groupby(["system", "metric", "regime"], sort=False)["value"].mean().reset_index()


def against_no_retrieval(frames: list[pd.DataFrame], metric: str) -> pd.DataFrame:
    """Differences of class scores to the system without retrieval, over groups of classes, with the class as the unit.

    "ci_low", "ci_high": 95 % BCa bootstrap over classes. "p_value": sign-flip permutation test; "q_value": after Benjamini and Hochberg
    over all rows of the metric.

    Args:
        frames: ``per_class`` of each seed.
        metric: of clips.
    """
    together = pd.concat(frames)
    scores = together[together["metric"] == metric].groupby(["label", "system"])["value"].mean().unstack()
    n_train = pd.Series(train_counts()).reindex(scores.index)
    kinds = pd.Series([regime(label) for label in scores.index], scores.index)
    groups = {
        "all": n_train >= 0, "100+": n_train >= 100, "10-99": n_train.between(10, 99), "1-9": n_train.between(1, 9),
        "zero-shot": n_train == 0, "pool only": kinds == "pool only", "neither": kinds == "neither",
    }  # fmt: skip
    rows = []
    for system in scores.columns.drop(["re-audioldm-s-none", "real", "noise"], errors="ignore"):
        for name, chosen in groups.items():
            difference = (scores.loc[chosen, system] - scores.loc[chosen, "re-audioldm-s-none"]).to_numpy()
            rows.append(
                {"metric": metric, "system": system, "classes": name, "n_classes": len(difference), **_tested(difference)}
            )
    found = pd.DataFrame(rows)
    return found.assign(q_value=false_discovery_control(found["p_value"]))


def _tested(difference: npt.NDArray[np.float64]) -> dict[str, float]:
    options: dict[str, Any] = {"n_resamples": 9999, "rng": np.random.default_rng(0)}
    interval = bootstrap((difference,), np.mean, method="BCa", **options).confidence_interval
    test = permutation_test((difference,), np.mean, permutation_type="samples", **options)
    return {"difference": difference.mean(), "ci_low": interval.low, "ci_high": interval.high, "p_value": test.pvalue}


def arguments() -> argparse.Namespace:
    """output: Path; seeds: list of int; models: names with commas; candidates: int or None."""
    parser = argparse.ArgumentParser(description="Table 1 of the paper on the miniature.")
    parser.add_argument("output", type=Path, nargs="?", default=Path("reports/miniature"))
    parser.add_argument("seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--models", default=",".join(shipped()), help="re-audioldm-s-none among them")
    parser.add_argument("--candidates", type=int)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    output, models = given.output, given.models.split(",")
    done = [run(output / f"seed-{seed}", seed, models, given.candidates) for seed in given.seeds]
    tables = {
        "table1": over_seeds([a.overall for a in done], ["system", "metric"]),
        "strata": over_seeds([a.by_stratum for a in done], ["system", "metric", "stratum"]),
        "regimes": over_seeds([by_regime(a) for a in done], ["system", "metric", "regime"]),
    }
    of_clips = [name for name in DEFAULTS.metrics or () if name in set(done[0].per_class["metric"])]
    paired = pd.concat(against_no_retrieval([a.per_class for a in done], metric) for metric in of_clips)
    paired.to_csv(output / "paired.csv", index=False)
    print(paired.round(3).to_string())
    for name, table in tables.items():
        table.to_csv(output / f"{name}.csv", index=False)
        print(name)
        print(
            table.pivot_table(index="system", columns=list(table.columns[1:-3]), values="mean", sort=False)
            .round(3)
            .to_string()
        )


if __name__ == "__main__":
    main()
