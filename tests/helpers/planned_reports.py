"""Whole reports of a planned design, on fresh data: a system and its control, every test of the confirmatory family."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reaudio_eval.clips.system import Role, SystemInfo
from reaudio_eval.frames.scores import SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.longtail import analyse
from reaudio_eval.statistics.power import Design, Spread

METRIC = MetricInfo("m", "M", "clip", True, "", "bands")
COUNTS = (5000, 2000, 300, 200, 50, 40, 5, 3, 0, 0)  # training clips of the classes, in turn: every stratum of log10
N_TESTS = 4  # all classes, the rarest stratum, unseen classes, the gap
SHARED_SD = 0.5  # of both systems on a clip, which their difference does not have


def corrected_p(rng: np.random.Generator, design: Design, spread: Spread, effect: float) -> float:
    """Holm's p-value of the mean over classes in the report of a system that is better by ``effect`` in every class."""
    labels = [f"l{i:03d}" for i in range(design.n_classes)]
    counts = {label: COUNTS[i % len(COUNTS)] for i, label in enumerate(labels)}
    prompts = tuple(
        Prompt(f"c{i:03d}-{j}", "x", (label,)) for i, label in enumerate(labels) for j in range(design.per_class)
    )
    dataset = Dataset("d", "test", prompts, {label: n for label, n in counts.items() if n}, {})
    shared, classes = rng.normal(0, SHARED_SD, len(prompts)), rng.normal(effect, spread.classes, design.n_classes)
    clips = rng.normal(0, spread.of_clip(design.n_seeds), len(prompts))
    systems = [
        _scores("base", "control", prompts, shared),
        _scores("mine", "system", prompts, shared + np.repeat(classes, design.per_class) + clips),
    ]
    paired = analyse(systems, dataset, strata_scheme("log10", dataset.train_counts)).paired
    family = paired[paired["family"] == "confirmatory"]
    assert len(family) == N_TESTS
    return float(family.loc[family["quantity"] == "classes", "p_holm"].iloc[0])


def _scores(name: str, role: Role, prompts: tuple[Prompt, ...], values: Floats) -> SystemScores:
    frame = pd.DataFrame({"clip_id": [p.clip_id for p in prompts], "metric": METRIC.name, "label": None, "value": values})
    info = SystemInfo(name, "generated", len(prompts), role=role)
    return SystemScores(info, (METRIC,), frame.astype({"label": object}), SET_VALUES.empty())
