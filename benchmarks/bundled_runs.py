"""Make the scores of bundled systems that come with the package anew, after their weights have changed.

    python benchmarks/bundled_runs.py [SEED]

Generates each system of ``runs.bundled.BASELINES`` on the miniature's test split, scores it, and writes it to
``reaudio_eval/runs/bundled_runs/``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from reaudio_eval.evaluations.longtail.plan import LongtailRequest
from reaudio_eval.evaluations.longtail.run import longtail
from reaudio_eval.prompts.datasets import DatasetOptions, miniature
from reaudio_eval.prompts.datasets.miniature import DEFAULTS
from reaudio_eval.runs.bundled import BASELINES, FOLDER, export_baseline, pool_control
from reaudio_eval.scores.evaluate import Options
from reaudio_model.common.progress import Reporter


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    assert DEFAULTS.embedders
    assert DEFAULTS.protocol
    assert DEFAULTS.strata
    options = Options(embedders=DEFAULTS.embedders, protocol=DEFAULTS.protocol, metrics=DEFAULTS.metrics, seed=seed)
    data = DatasetOptions(reporter=Reporter())
    control = pool_control(miniature.load(data), reporter=Reporter())
    with tempfile.TemporaryDirectory() as folder:
        request = LongtailRequest(
            "miniature",
            data,
            Path(folder),
            models=BASELINES,
            baselines="none",
            strata=DEFAULTS.strata,
            primary=DEFAULTS.primary,
            media="none",
            control=control,
        )
        result = longtail(request, options, Reporter())
        for system, run in zip(result.analysis.systems, result.runs, strict=True):
            if system.name in BASELINES:
                shutil.rmtree(FOLDER / system.name, ignore_errors=True)
                print(export_baseline(run, options.protocol, FOLDER / system.name))
                (FOLDER / f".{system.name}.lock").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
