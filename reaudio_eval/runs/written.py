"""Tables of a run directory, made from scores."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from reaudio_eval.clips.retrieval import retrieval_json
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.scores import RUN_CLIPS, RUN_LABELS, RUN_PROMPTS, RUN_SCORES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import Stratum, rarest_label, stratum_of
from reaudio_eval.runs.manifest import COPYING, SCHEMA_VERSION, SEED_FILE, Json
from reaudio_eval.scores.system_scores import SystemScores


def described(scores: SystemScores, dataset: Dataset, strata: tuple[Stratum, ...]) -> Json:
    """The entries of the manifest that describe the system, its metrics and the dataset."""
    retrieval, system = scores.system.retrieval, scores.system
    return {
        "schema_version": SCHEMA_VERSION,
        "retrieval": None if retrieval is None else retrieval_json(retrieval),
        "neighbours_of": scores.neighbours_of,
        "system": {
            "name": system.name,
            "kind": system.kind,
            "description": system.description,
            "candidates": system.candidates,
            "sampling": None if system.sampling is None else dict(system.sampling),
            "role": system.role,
            **({"seeds": list(system.seeds)} if system.seeds else {}),
        },
        "metrics": [dataclasses.asdict(m) for m in scores.metrics],
        "undefined": dict(scores.undefined),
        "strata": [s.to_json() for s in strata],
        "dataset": {
            "name": dataset.name,
            "split": dataset.split,
            "n_prompts": len(dataset.prompts),
            "list_sha256": dataset.list_sha256,
            "propagated": dataset.propagated,
            "notes": list(dataset.notes),
            "banner": dataset.banner,
            "references": {k: str(v) for k, v in sorted(dataset.references.items())},
        },
    }


def tables(scores: SystemScores, dataset: Dataset, strata: tuple[Stratum, ...], seed: int) -> dict[str, pd.DataFrame]:
    """File name -> table; those of copies and seeds are left out where there are none."""
    found = {
        "prompts.parquet": RUN_PROMPTS.select(_prompt_frame(dataset.prompts, scores.set_clip_ids)),
        "labels.parquet": RUN_LABELS.select(_label_frame(dataset)),
        "clips.parquet": RUN_CLIPS.select(_clip_frame(scores.system, dataset)),
        "scores.parquet": RUN_SCORES.select(_score_frame(scores, dataset, strata, seed)),
        "set_values.parquet": scores.set_values,
    }
    further = {COPYING: scores.copies, SEED_FILE: scores.seed_values}
    return found | {name: frame for name, frame in further.items() if not frame.empty}


def _prompt_frame(prompts: tuple[Prompt, ...], in_sets: Collection[str] | None) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "clip_id": [p.clip_id for p in prompts],
            "caption": [p.caption for p in prompts],
            "labels": [list(p.labels) for p in prompts],
            "labels_known": [p.labels_known for p in prompts],
            "source_id": [p.source_id for p in prompts],
            "split": [p.split for p in prompts],
        }
    )
    return frame if in_sets is None else frame.assign(in_sets=[p.clip_id in in_sets for p in prompts])


def _label_frame(dataset: Dataset) -> pd.DataFrame:
    """``frames.scores.RUN_LABELS``; ``n_pool`` only where the pool is known."""
    counted = {**dataset.train_counts, **(dataset.pool_counts or {})}
    labels = sorted(set(counted) | {label for p in dataset.prompts for label in p.labels})
    names = [dataset.label_names.get(label, label) for label in labels]
    frame = pd.DataFrame({"label": labels, "name": names, "n_train": [dataset.n_train(label) for label in labels]})
    return (
        frame
        if dataset.pool_counts is None
        else frame.assign(n_pool=[dataset.pool_counts.get(label, 0) for label in labels])
    )


def _clip_frame(system: SystemInfo, dataset: Dataset) -> pd.DataFrame:
    """``frames.scores.RUN_CLIPS``; a system may have clips of prompts that were left out, which are not part of the run."""
    scored = {p.clip_id for p in dataset.prompts}
    rows = sorted((clip_id, path) for clip_id, path in system.clips.items() if clip_id in scored)
    return pd.DataFrame({"clip_id": [c for c, _ in rows], "path": [_unicode(p.resolve()) for _, p in rows]}, dtype=object)


def _unicode(path: Path) -> str:
    """A path as tables hold text; bytes that are not UTF-8 become escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _score_frame(scores: SystemScores, dataset: Dataset, strata: tuple[Stratum, ...], seed: int) -> pd.DataFrame:
    """``scores.parquet``; a clip-level row has the count and stratum of its rarest label."""
    frame = scores.scores.copy()
    rarest = {p.clip_id: rarest_label(p.labels, dataset.n_train) for p in dataset.prompts if p.labels_known and p.labels}
    key = frame["label"].where(frame["label"].notna(), frame["clip_id"].map(rarest))
    counts: list[Any] = [None if pd.isna(label) else dataset.n_train(label) for label in key]
    frame["n_train"] = pd.array(counts, dtype="Int64")
    frame["stratum"] = [None if n is None else stratum_of(n, strata).name for n in counts]
    frame["schema_version"] = SCHEMA_VERSION
    frame["system"] = scores.system.name
    frame["embedder"] = frame["metric"].map({m.name: m.embedder for m in scores.metrics})
    frame["seed"] = seed
    present = [name for name in RUN_SCORES.names if name in frame.columns]
    return frame[present].astype({"embedder": object, "label": object, "stratum": object})
