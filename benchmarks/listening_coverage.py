"""How often 95 % intervals of a listening test's mean cover the truth, in simulated answers; and how often a test finds what is not there.

    python benchmarks/listening_coverage.py [SIMULATIONS]      (default: 600 a scenario, seeds fixed)

Answers are sums of independent normal effects of participants, of prompts and of single answers; the truth is 0.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
import pandas as pd

from reaudio_eval.evaluations.listening.crossed import crossed_mean, crossed_p
from reaudio_eval.evaluations.listening.resampling import Draws


class Scenario(NamedTuple):
    """people, prompts: how many; per_prompt: who hear each prompt; person, prompt, answer: standard deviations of the effects."""

    people: int
    prompts: int
    per_prompt: int
    person: float
    prompt: float
    answer: float


SCENARIOS = (
    Scenario(4, 6, 4, 0.5, 0.5, 1.0), Scenario(6, 8, 6, 0.5, 0.5, 1.0), Scenario(10, 12, 10, 0.5, 0.5, 1.0),
    Scenario(12, 14, 4, 0.5, 0.5, 1.0), Scenario(20, 30, 5, 0.5, 0.5, 1.0), Scenario(10, 12, 10, 1.0, 1.0, 0.3),
    Scenario(10, 12, 10, 0.0, 0.0, 1.0),
)  # fmt: skip


def answers(rng: np.random.Generator, made: Scenario) -> pd.DataFrame:
    """A row an answer: participant, prompt, value, group."""
    people, prompts = rng.normal(0, made.person, made.people), rng.normal(0, made.prompt, made.prompts)
    rows = [
        (f"r{r}", f"p{p:02d}", people[r] + prompts[p] + rng.normal(0, made.answer), "")
        for p in range(made.prompts)
        for r in rng.permutation(made.people)[: made.per_prompt]
    ]
    return pd.DataFrame(rows, columns=["participant", "prompt", "value", "group"])


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    for made in SCENARIOS:
        rng, draws = np.random.default_rng(5), Draws(0, 1000)
        found = [crossed_mean(answers(rng, made), {"": 1.0}, draws) for _ in range(n)]
        covered = np.mean([f.estimate.interval.low <= 0 <= f.estimate.interval.high for f in found])
        false = np.mean([crossed_p([f], draws)[0] < 0.05 for f in found])
        print(f"{made}: intervals cover {covered:.3f}, p < 0.05 in {false:.3f} of {n}")


if __name__ == "__main__":
    main()
