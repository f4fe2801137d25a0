"""Table 1 of the paper on the miniature: every bundled system, several sampling seeds, each with the report of that seed.

    python benchmarks/miniature_table.py OUTPUT [SEED ...]      (default: seeds 0, 1, 2)

Writes ``OUTPUT/seed-N/longtail.html`` and, over the seeds, ``OUTPUT/table1.csv`` (system, metric, mean, standard deviation over seeds),
``OUTPUT/strata.csv`` and ``OUTPUT/regimes.csv`` (the same within strata and within zero-shot regimes).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from reaudio_eval.datasets import DatasetOptions
from reaudio_eval.datasets.miniature import DEFAULTS
from reaudio_eval.evaluate import Options
from reaudio_eval.longtail_run import LongtailRequest, longtail
from reaudio_eval.records import LongtailAnalysis
from reaudio_model.common.progress import Reporter
from reaudio_model.miniature.bundled import shipped
from reaudio_model.miniature.world import regime


def run(output: Path, seed: int) -> LongtailAnalysis:
    """One seed of all systems."""
    assert DEFAULTS.embedders
    assert DEFAULTS.protocol
    assert DEFAULTS.strata
    request = LongtailRequest(
        "miniature",
        DatasetOptions(reporter=Reporter()),
        output,
        models=(*shipped(), "copy-retrieved"),
        baselines="none",
        strata=DEFAULTS.strata,
        primary=DEFAULTS.primary,
    )
    options = Options(embedders=DEFAULTS.embedders, protocol=DEFAULTS.protocol, metrics=DEFAULTS.metrics, seed=seed)
    return longtail(request, options, Reporter()).analysis


def over_seeds(frames: list[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """Mean and standard deviation of "value" over seeds."""
    together = pd.concat(frames)
    return together.groupby(keys, sort=False)["value"].agg(["mean", "std", "count"]).reset_index()


def by_regime(analysis: LongtailAnalysis) -> pd.DataFrame:
    """Means over the classes of each regime: in training, only in the pool, in neither."""
    frame = analysis.per_class.assign(regime=[regime(label) for label in analysis.per_class["label"]])
    return frame.groupby(["system", "metric", "regime"], sort=False)["value"].mean().reset_index()


def main() -> None:
    output, *seeds = sys.argv[1:] or ["reports/miniature"]
    done = [run(Path(output) / f"seed-{seed}", int(seed)) for seed in seeds or ("0", "1", "2")]
    tables = {
        "table1": over_seeds([a.overall for a in done], ["system", "metric"]),
        "strata": over_seeds([a.by_stratum for a in done], ["system", "metric", "stratum"]),
        "regimes": over_seeds([by_regime(a) for a in done], ["system", "metric", "regime"]),
    }
    for name, table in tables.items():
        table.to_csv(Path(output) / f"{name}.csv", index=False)
        print(name)
        print(
            table.pivot_table(index="system", columns=list(table.columns[1:-3]), values="mean", sort=False)
            .round(3)
            .to_string()
        )


if __name__ == "__main__":
    main()
