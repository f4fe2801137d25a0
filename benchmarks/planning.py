"""Planned power against fresh data: whole reports with every test of the confirmatory family.

    python benchmarks/planning.py [--reports 300]

A design is searched by ``reaudio_eval.statistics.power`` for power 0.8; then reports of it are simulated with another seed, and analysed
whole. Seeds are fixed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from reaudio_eval.statistics.power import Question, Simulation, Spread
from reaudio_eval.statistics.thresholds import ALPHA

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from planned_reports import N_TESTS, corrected_p

SPREAD = Spread(0.1, 0.3, 0.2)
SEARCHED = ((4, 1, 0.08), (1, 1, 0.10), (8, 4, 0.06))  # prompts of a class, seeds, effect


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=300)
    n = parser.parse_args().reports
    print(f"{'classes':>7} {'prompts':>7} {'seeds':>5} {'effect':>6} {'planned':>7} {'whole reports':>13}")
    for per_class, n_seeds, effect in SEARCHED:
        found = Simulation(Question(effect, n_tests=N_TESTS), SPREAD).needed(per_class, n_seeds, 0.8)
        if found is None:
            raise SystemExit("The design is too large to simulate.")
        rng = np.random.default_rng(11)
        shown = np.mean([corrected_p(rng, found.design, SPREAD, effect) < ALPHA for _ in range(n)])
        print(f"{found.design.n_classes:7} {per_class:7} {n_seeds:5} {effect:6} {found.value:7.2f} {shown:13.2f}")


if __name__ == "__main__":
    main()
