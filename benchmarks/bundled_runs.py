"""Make the scores of bundled systems that come with the package anew, after their weights have changed.

    python benchmarks/bundled_runs.py [SEED]

Generates each system of ``runs.bundled.BASELINES`` on the miniature's test split, scores it, and writes it to
``reaudio_eval/runs/bundled_runs/``.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
import tempfile

from reaudio_eval.evaluations.longtail import Longtail
from reaudio_eval.evaluations.longtail.request import LongtailRequest
from reaudio_eval.prompts.datasets import DatasetOptions, miniature
from reaudio_eval.runs.bundled import BASELINES, FOLDER, export_baseline, pool_control
from reaudio_model.common.progress import Reporter


def main() -> None:
    seed, reporter, evaluation = int(sys.argv[1]) if len(sys.argv) > 1 else 0, Reporter(), Longtail()
    control = pool_control(miniature.PLUGIN.load(DatasetOptions(reporter=reporter)), reporter=reporter)
    with tempfile.TemporaryDirectory() as folder:
        request = LongtailRequest.of({"models": BASELINES, "baselines": "none", "seed": seed, "output": folder})
        plan = evaluation.plan(request, reporter)
        plan = dataclasses.replace(plan, systems=dataclasses.replace(plan.systems, control=control))
        result = evaluation.run(plan, reporter)
        for system, run in zip(result.analysis.systems, result.runs, strict=True):
            if system.name in BASELINES:
                shutil.rmtree(FOLDER / system.name, ignore_errors=True)
                print(export_baseline(run, plan.systems.scoring.options.protocol, FOLDER / system.name))
                (FOLDER / f".{system.name}.lock").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
