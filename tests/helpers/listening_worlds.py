"""Run directories of a small made-up evaluation: tones for clips, training counts over four strata, metrics of a known meaning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from fakes import SAMPLE_RATE, tone

from reaudio_eval.clips.system import SystemInfo, SystemKind
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs.directory import write_run
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores

QUALITY = {"ours": 0.6, "plain": -0.2, "weak": -0.8}
CLASSES = {"dog": 5000, "bell": 400, "owl": 12, "gong": 0}
METRICS = (
    MetricInfo("clap_score_tests", "CLAP score", "clip", True, "cosine", "tests", role="text_similarity"),
    MetricInfo("kl_tests", "KL divergence", "clip", False, "nats", "tests"),
    MetricInfo("chance_tests", "Chance", "clip", True, "", "tests"),
    MetricInfo("fad_tests", "FAD", "set", False, "", "tests"),
)


def clip_quality(system: str, clip_id: str) -> float:
    """What ``clap_score_tests`` measures without error: the system's quality and the prompt's."""
    return QUALITY[system] + 0.1 * (int(clip_id[-2:]) % 7)


def dataset(n_prompts: int, references: Mapping[str, Path]) -> Dataset:
    classes = list(CLASSES)
    prompts = tuple(
        Prompt(f"clip{i:02d}", f"a {classes[i % 4]} number {i} sounds <b>twice</b>", (classes[i % 4],))
        for i in range(n_prompts)
    )
    counts = {c: n for c, n in CLASSES.items() if n}
    return Dataset("tones", "test", prompts, counts, {c: c.title() for c in CLASSES}, references)


def write_runs(folder: Path, n_prompts: int = 24, systems: Mapping[str, float] = QUALITY, *, level: float = 0.3) -> Path:
    """Runs of ``systems`` and of the real audio below ``folder / "runs"``; clips at different levels."""
    files: dict[str, dict[str, Path]] = {}
    for k, system in enumerate(["real", *systems]):
        place = folder / "clips" / system
        place.mkdir(parents=True, exist_ok=True)
        files[system] = {}
        for i in range(n_prompts):
            path = place / f"clip{i:02d}.wav"
            soundfile.write(path, tone(150 + 40 * k + 17 * i, 0.2, level / (k + 1), seed=100 * k + i), SAMPLE_RATE)
            files[system][path.stem] = path
    data = dataset(n_prompts, files["real"])
    for system, clips in files.items():
        write_one(folder / "runs" / "tones" / system / "abc", data, system, clips)
    return folder


def write_one(path: Path, data: Dataset, system: str, clips: Mapping[str, Path]) -> None:
    """One run; the real audio has no scores."""
    rng = np.random.default_rng(list(system.encode()))
    kind: SystemKind = "real" if system == "real" else "generated"
    rows = []
    for clip_id in sorted(clips) if kind == "generated" else ():
        good = clip_quality(system, clip_id)
        rows += [(clip_id, "clap_score_tests", None, good), (clip_id, "kl_tests", None, 2 - good)]
        rows.append((clip_id, "chance_tests", None, float(rng.normal())))
    values: list[tuple[Any, ...]] = [
        ("fad_tests", "all", 3 - QUALITY.get(system, 0), [], np.nan, np.nan, "none", len(clips), np.nan, np.nan, 0, None)
    ]
    scores = SystemScores(
        SystemInfo(system, kind, len(clips), clips),
        METRICS,
        pd.DataFrame(rows, columns=SCORES.required),
        pd.DataFrame(values if kind == "generated" else [], columns=SET_VALUES.names),
    )
    manifest = {"seed": 0, "created": "2026-01-01T00:00:00+00:00", "clip_ids_sha256": "x", "protocol": {"name": "tests"}}
    write_run(path, scores, data, strata_scheme("log10", data.train_counts), {}, {}, manifest)
