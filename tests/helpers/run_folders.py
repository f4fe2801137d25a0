"""Run directories written without audio or networks: scores made up from a seed, for tests of what is read from runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fakes import tone, write_clips

from reaudio_eval.clips.system import SystemInfo, SystemKind
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import Stratum, strata_scheme
from reaudio_eval.runs.directory import write_run
from reaudio_eval.runs.manifest import FILES, MANIFEST, SEAL, sealed
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_model.common.files import canonical_sha256, json_bytes

CLAP = MetricInfo("clap_score", "CLAP score", "clip", True, "cosine", "clap", "a" * 64, "tests", role="text_similarity")
KL = MetricInfo("kl_panns", "KL divergence (PANNs)", "clip", False, "nats", "panns", "b" * 64, "tests")
RECALL = MetricInfo(
    "label_recall_panns", "Label recall (PANNs)", "label", True, "share", "panns", "b" * 64, "tests", role="label_recall"
)
KAD = MetricInfo("kad_panns", "KAD (PANNs)", "set", False, "", "panns", "b" * 64, "tests")
METRICS = (CLAP, KL, RECALL, KAD)
CLASSES = {f"l{i:02d}": n for i, n in enumerate((5000, 2000, 1200, 1000, 1000, 400, 200, 150, 120, 100, 40, 20, 9, 3, 1, 0))}
N_GROUPS = 20


def make_dataset(n_clips: int = 96, name: str = "folder", more_classes: int = 0) -> Dataset:
    """Clips c000, c001, ... each with one label, in turn; half of them with Speech-like "l00" too."""
    counts = CLASSES | {f"m{i:02d}": 500 + i for i in range(more_classes)}
    labels = list(counts)
    own = [labels[i % len(labels)] for i in range(n_clips)]
    prompts = tuple(
        Prompt(
            f"c{i:03d}", f"sound number {i} of <b>{label}</b>", tuple(dict.fromkeys((label, *(("l00",) if i % 2 else ()))))
        )
        for i, label in enumerate(own)
    )
    names = {label: f"Class {label}" for label in labels}
    return Dataset(name, "test", prompts, {k: n for k, n in counts.items() if n}, names)


def make_scores(
    dataset: Dataset, strata: Sequence[Stratum], name: str, level: float, kind: SystemKind = "generated", seed: int = 0
) -> SystemScores:
    """CLAP and recall around ``level``, KL around 1 - ``level``; clips differ alike in all systems."""
    rng = np.random.default_rng([seed, sum(map(ord, name))])
    shared = np.random.default_rng(1).normal(0, 0.1, len(dataset.prompts))
    rows: list[tuple[str, str, str | None, float]] = []
    for prompt, offset in zip(dataset.prompts, shared, strict=True):
        noise = rng.normal(0, 0.03, 3)
        rows.append((prompt.clip_id, CLAP.name, None, level + offset + noise[0]))
        rows.append((prompt.clip_id, KL.name, None, 1 - level - offset + noise[1]))
        rows += [(prompt.clip_id, RECALL.name, label, level + noise[2]) for label in prompt.labels]
    blank: dict[str, Any] = {"floor": np.nan, "matched": np.nan, "floor_n": 0, "reason": None, "ci_method": "jackknife"}
    sets = [
        blank | {"metric": KAD.name, "stratum": stratum, "value": 2 - level, "n_clips": len(dataset.prompts),
                 "replicates": (2 - level + rng.normal(0, 0.002, N_GROUPS)).tolist(), "ci_low": 1 - level, "ci_high": 3 - level}
        for stratum in ("all", *(s.name for s in strata))
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=SCORES.required).astype({"label": object})
    return SystemScores(
        SystemInfo(name, kind, len(dataset.prompts)),
        METRICS,
        frame,
        pd.DataFrame(sets, columns=SET_VALUES.names),
        {},
        seed=seed,
    )


def write(
    output: Path,
    name: str,
    level: float,
    *,
    dataset: Dataset | None = None,
    kind: SystemKind = "generated",
    seed: int = 0,
    strata: str = "log10",
    clips: Mapping[str, Path] | None = None,
    scores: SystemScores | None = None,
    **manifest: Any,
) -> Path:
    """Write one run below ``output`` and return its directory. ``manifest`` entries replace the usual ones."""
    dataset = dataset or make_dataset()
    chosen = strata_scheme(strata, dataset.train_counts)
    scores = scores or make_scores(dataset, chosen, name, level, kind, seed)
    if clips:
        scores = replace(scores, system=replace(scores.system, clips=clips))
    about = {
        "created": "2026-01-01T00:00:00+00:00",
        "seed": seed,
        "clip_ids_sha256": canonical_sha256([p.clip_id for p in dataset.prompts]),
        "protocol": {"name": "miniature", "source": "tests"},
        "reaudio_eval": "0.1.0",
        "code_sha256": "c" * 64,
        "packages": {"torch": "2.6"},
        **manifest,
    }
    path = output / "runs" / dataset.name / name / canonical_sha256([name, level, seed, about])[:12]
    write_run(path, scores, dataset, chosen, {}, {name: {"n_clips": len(dataset.prompts)}}, about)
    return path


def write_audio(folder: Path, dataset: Dataset, pitch: float) -> dict[str, Path]:
    """A short tone for every clip."""
    write_clips(folder, {p.clip_id: tone(pitch + i, 0.1, seed=i) for i, p in enumerate(dataset.prompts)})
    return {p.clip_id: folder / f"{p.clip_id}.wav" for p in dataset.prompts}


def reseal(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a manifest of a run with the digests of the files as they are now."""
    content = {k: v for k, v in manifest.items() if k not in (FILES, SEAL)}
    names = [p.name for p in path.iterdir() if p.is_file() and p.name != MANIFEST]
    (path / MANIFEST).write_bytes(json_bytes(sealed(path, content, names)))


def as_version_1(path: Path) -> None:
    """Make a run one of schema version 1, which has no digests."""
    manifest = json.loads((path / MANIFEST).read_bytes())
    content = {k: v for k, v in manifest.items() if k not in (FILES, SEAL)} | {"schema_version": 1}
    (path / MANIFEST).write_bytes(json_bytes(content))
