"""Synthetic scores for the tests of the analysis: three clips worked by hand, and a noisy long tail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reaudio_eval.clips.system import SystemInfo, SystemKind
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.frames.statistics import LONGTAIL_FRAMES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis
from reaudio_eval.statistics.longtail import analyse as analyse_by_default

# The hand-computed examples have few classes.
analyse = partial(analyse_by_default, min_classes=2)

EXACT = 1e-9  # the same sums in another order; BLAS may block a matrix product differently
FRAMES = tuple(LONGTAIL_FRAMES)

CLAP = MetricInfo("clap_score", "CLAP score", "clip", True, "cosine", "clap", role="text_similarity")
KL = MetricInfo("kl_panns", "KL divergence (PANNs)", "clip", False, "nats", "panns")
RECALL = MetricInfo("label_recall_panns", "Label recall (PANNs)", "label", True, "probability", "panns", role="label_recall")
KAD = MetricInfo("kad_panns", "KAD (PANNs)", "set", False, "", "panns")

ClipValues = Mapping[str, float]
PairValues = Mapping[tuple[str, str], float]


def system(
    name: str,
    values: Mapping[MetricInfo, ClipValues | PairValues],
    *,
    kind: SystemKind = "generated",
    sets: Sequence[Mapping[str, Any]] = (),
    undefined: Mapping[str, str] | None = None,
    more: Sequence[MetricInfo] = (),
) -> SystemScores:
    rows = [
        (*((key, metric.name, None) if isinstance(key, str) else (key[0], metric.name, key[1])), value)
        for metric, own in values.items()
        for key, value in own.items()
    ]
    blank: dict[str, Any] = {"replicates": [], "ci_low": np.nan, "ci_high": np.nan, "ci_method": "none", "n_clips": 3}
    blank |= {"floor": np.nan, "matched": np.nan, "floor_n": 0, "reason": None}
    return SystemScores(
        SystemInfo(name, kind, 0),
        (*values, *more),
        pd.DataFrame(rows, columns=SCORES.required).astype({"label": object}),
        pd.DataFrame([blank | dict(s) for s in sets], columns=SET_VALUES.names),
        undefined or {},
    )


def pick(frame: pd.DataFrame, **cells: str) -> dict[str, Any]:
    """The only row with these cells."""
    for column, value in cells.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1, f"{len(frame)} rows for {cells}"
    return {str(k): v for k, v in frame.iloc[0].to_dict().items()}


# --- three clips, four labels, two systems: every number by hand ---

TINY = Dataset(
    name="tiny",
    split="test",
    prompts=(Prompt("c1", "x", ("speech", "dog")), Prompt("c2", "y", ("bell", "speech")), Prompt("c3", "z", ("alien",))),
    train_counts={"speech": 2000, "dog": 150, "bell": 10, "whale": 40},
    label_names={"speech": "Speech", "dog": "Dog", "bell": "Bell", "alien": "Alien", "whale": "Whale"},
)
TINY_STRATA = strata_scheme("log10", TINY.train_counts)


@pytest.fixture(scope="module")
def tiny() -> LongtailAnalysis:
    kad = {"metric": "kad_panns", "ci_method": "delete-a-group jackknife (3 groups)"}
    a = system(
        "A",
        {
            CLAP: {"c1": 0.6, "c2": 0.4, "c3": 0.1},
            RECALL: {
                ("c1", "speech"): 0.9, ("c1", "dog"): 0.3, ("c2", "speech"): 0.7, ("c2", "bell"): 0.2, ("c3", "alien"): 0.1,
            },
        },
        sets=[
            kad | {"stratum": "all", "value": 2.0, "replicates": [1.9, 2.1, 2.3], "ci_low": 1.0, "ci_high": 3.0,
             "floor": 0.1, "matched": 0.2, "floor_n": 1},
            kad | {"stratum": "tail", "value": np.nan, "n_clips": 1, "reason": "1 clip"},
        ],
        more=[KAD],
    )  # fmt: skip
    b = system(
        "B",
        {CLAP: {"c3": 0.3, "c1": 0.5, "c2": 0.1}},
        sets=[kad | {"stratum": "all", "value": 1.5, "replicates": [1.5, 1.6, 1.4]}],
        undefined={RECALL.name: "needs labels"},
        more=[RECALL, KAD],
    )
    return analyse([a, b], TINY, TINY_STRATA, alerts=[Alert("note", "known")], provenance={"seed": 0}, audit={"A": 1})


# --- forty classes, three hundred clips ---

N_CLASSES, N_CLIPS = 40, 300


def long_tailed(seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    labels = [f"l{i:02d}" for i in range(N_CLASSES)]
    counts = {label: int(300_000 / (1 + i) ** 3) for i, label in enumerate(labels)} | {"l39": 0, "l38": 0}
    weights = np.array([counts[label] ** 0.4 + 0.5 for label in labels])
    prompts = []
    for i in range(N_CLIPS):
        own = rng.choice(labels, size=rng.integers(1, 4), replace=False, p=weights / weights.sum())
        prompts.append(Prompt(f"c{i:03d}", f"caption {i}", (labels[i % N_CLASSES], *own.tolist()), labels_known=i % 50 != 7))
    return Dataset("synthetic", "test", tuple(prompts), counts, {label: label.upper() for label in labels})


DATA = long_tailed()
STRATA = strata_scheme("10,100", DATA.train_counts)


def noisy_system(name: str, level: float, kind: SystemKind = "generated", seed: int | None = None) -> SystemScores:
    rng = np.random.default_rng(sum(map(ord, name)) if seed is None else seed)
    clap = {p.clip_id: float(rng.normal(level, 0.1)) for p in DATA.prompts}
    recall = {
        (p.clip_id, label): float(rng.uniform()) for p in DATA.prompts if p.labels_known for label in sorted(set(p.labels))
    }
    names = ["all", *(s.name for s in STRATA)]
    sets = [
        {"metric": KAD.name, "stratum": n, "value": level, "replicates": rng.normal(level, 0.01, 20).tolist(), "n_clips": 9}
        for n in names
    ]
    return system(name, {CLAP: clap, RECALL: recall}, kind=kind, sets=sets, more=[KAD])


@pytest.fixture(scope="module")
def systems() -> list[SystemScores]:
    return [
        noisy_system("b", 0.3),
        noisy_system("real", 0.5, "real"),
        noisy_system("a", 0.35),
        noisy_system("noise", 0.0, "noise"),
    ]


@pytest.fixture(scope="module")
def analysis(systems: list[SystemScores]) -> LongtailAnalysis:
    return analyse(systems, DATA, STRATA)


KEYS = {
    "labels": ["label"],
    "strata_sizes": ["stratum"],
    "overall": ["system", "metric"],
    "by_stratum": ["system", "metric", "stratum"],
    "per_class": ["system", "metric", "label"],
    "curve": ["system", "metric", "n_train"],
    "bins": ["system", "metric", "n_train"],
    "trend": ["system", "metric", "statistic"],
    "paired": ["metric", "quantity", "system_a", "system_b"],
    "clip_scores": ["system", "metric", "clip_id"],
}
