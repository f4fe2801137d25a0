"""Run directory: the scores of one system, written and read.

Reports and comparisons are made from it without audio or networks.
``runs/<dataset>/<system>/<config hash>/`` holds ``prompts.parquet``, ``labels.parquet``, ``clips.parquet``, ``scores.parquet``,
``set_values.parquet``, ``metrics.json``, ``audit.json`` and, written last, ``manifest.json``: a directory without a manifest is not
finished. Of a system that retrieves it also holds ``retrieved.parquet`` and ``leakage.json``, and where clips were compared with what was
retrieved ``copying.parquet``. The config hash covers everything the numbers depend on.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import pandas as pd

from reaudio_eval.clips.retrieval import LEAKAGE, RETRIEVED, read_run_retrieval, retrieval_json, write_retrieval
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.scores import COPIES, RUN_CLIPS, RUN_LABELS, RUN_PROMPTS, RUN_SCORES, SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import Stratum, rarest_label, stratum_of
from reaudio_eval.scores.binding import stored_metrics
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import (
    as_path,
    atomic_path,
    atomic_write,
    canonical_sha256,
    explain_write_error,
    folder_name,
    json_bytes,
)

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
COPYING = "copying.parquet"
Json = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A finished run, read back."""

    path: Path
    manifest: Json
    scores: SystemScores
    dataset: Dataset
    strata: tuple[Stratum, ...]
    metrics: Json
    audit: Json


def run_path(output: Path, dataset: str, system: str, config: Json) -> Path:
    """The directory of the run with this configuration."""
    return output / "runs" / dataset / folder_name(system) / canonical_sha256(config)[:12]


def is_finished(path: Path) -> bool:
    return (path / MANIFEST).is_file()


def number(value: float) -> float | None:
    """A number for JSON; None for NaN."""
    return None if value is None or math.isnan(value) else float(value)


def write_run(
    path: Path,
    scores: SystemScores,
    dataset: Dataset,
    strata: tuple[Stratum, ...],
    metrics: Json,
    audit: Json,
    manifest: Json,
) -> None:
    """Write every file of a run, the manifest last. Two processes writing the same run wait for each other.

    Raises:
        ReaudioError: not writable, or the disk is full; a run that was not finished then stays unfinished.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_write_error(error, path) from error
    with filelock.FileLock(path.parent / f".{path.name}.lock"):
        for name in (MANIFEST, RETRIEVED, LEAKAGE, COPYING):  # the last three are not written by every run
            (path / name).unlink(missing_ok=True)
        _write_frame(path / "prompts.parquet", RUN_PROMPTS.select(_prompt_frame(dataset.prompts)))
        _write_frame(path / "labels.parquet", RUN_LABELS.select(label_frame(dataset)))
        _write_frame(path / "clips.parquet", RUN_CLIPS.select(_clip_frame(scores.system)))
        frame = _score_frame(scores, dataset, strata, int(manifest["seed"]))
        _write_frame(path / "scores.parquet", RUN_SCORES.select(frame))
        _write_frame(path / "set_values.parquet", scores.set_values)
        if scores.system.retrieval is not None:
            write_retrieval(path, scores.system.retrieval, dataset.prompts)
        if not scores.copies.empty:
            _write_frame(path / COPYING, scores.copies)
        atomic_write(path / "metrics.json", json_bytes(metrics))
        atomic_write(path / "audit.json", json_bytes(audit))
        atomic_write(path / MANIFEST, json_bytes(manifest | _described(scores, dataset, strata)))


def _described(scores: SystemScores, dataset: Dataset, strata: tuple[Stratum, ...]) -> Json:
    retrieval = scores.system.retrieval
    return {
        "schema_version": SCHEMA_VERSION,
        "retrieval": None if retrieval is None else retrieval_json(retrieval),
        "neighbours_of": scores.neighbours_of,
        "system": {
            "name": scores.system.name,
            "kind": scores.system.kind,
            "description": scores.system.description,
            "candidates": scores.system.candidates,
        },
        "metrics": [dataclasses.asdict(m) for m in scores.metrics],
        "undefined": dict(scores.undefined),
        "strata": [dataclasses.asdict(s) for s in strata],
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


def _write_frame(path: Path, frame: pd.DataFrame) -> None:
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)


def _prompt_frame(prompts: tuple[Prompt, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip_id": [p.clip_id for p in prompts],
            "caption": [p.caption for p in prompts],
            "labels": [list(p.labels) for p in prompts],
            "labels_known": [p.labels_known for p in prompts],
            "source_id": [p.source_id for p in prompts],
        }
    )


def label_frame(dataset: Dataset) -> pd.DataFrame:
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


def _clip_frame(system: SystemInfo) -> pd.DataFrame:
    rows = sorted(system.clips.items())
    return pd.DataFrame({"clip_id": [c for c, _ in rows], "path": [str(p.resolve()) for _, p in rows]}, dtype=object)


def _score_frame(scores: SystemScores, dataset: Dataset, strata: tuple[Stratum, ...], seed: int) -> pd.DataFrame:
    """``scores.parquet``; a clip-level row has the count and stratum of its rarest label."""
    frame = scores.scores.copy()
    rarest = {p.clip_id: rarest_label(p.labels, dataset.n_train) for p in dataset.prompts if p.labels_known and p.labels}
    key = frame["label"].where(frame["label"].notna(), frame["clip_id"].map(rarest))
    counts = [None if pd.isna(label) else dataset.n_train(label) for label in key]
    frame["n_train"] = pd.array(counts, dtype="Int64")
    frame["stratum"] = [None if n is None else stratum_of(n, strata).name for n in counts]
    frame["schema_version"] = SCHEMA_VERSION
    frame["system"] = scores.system.name
    frame["embedder"] = frame["metric"].map({m.name: m.embedder for m in scores.metrics})
    frame["seed"] = seed
    return frame[RUN_SCORES.names].astype({"embedder": object, "label": object, "stratum": object})


def overall_json(analysis: LongtailAnalysis, system: str) -> Json:
    """``metrics.json`` of a system: metric name -> value, interval, method, counts, direction, source, reason."""
    overall = analysis.overall[analysis.overall["system"] == system]
    rows: dict[str, Any] = {row["metric"]: row for row in overall.to_dict("records")}
    n_classes = int((analysis.labels["n_test"] > 0).sum())
    table: Json = {}
    for metric in analysis.metrics:
        if metric.name not in rows:
            continue
        row = rows[metric.name]
        table[metric.name] = {
            "value": number(row["value"]),
            "ci_low": number(row["ci_low"]),
            "ci_high": number(row["ci_high"]),
            "ci_method": row["ci_method"],
            "n_clips": int(row["n_clips"]),
            "n_classes": n_classes,
            "floor": number(row["floor"]),
            "reason": row["reason"] if isinstance(row["reason"], str) else None,
            "unit": metric.unit,
            "higher_is_better": metric.higher_is_better,
            "target": metric.target,
            "embedder": metric.embedder,
            "embedder_sha256": metric.embedder_sha256 or None,
            "source": metric.source,
        }
    return table


def read_run(path: Path | str) -> Run:
    """Read a finished run; ``~`` is expanded.

    Raises:
        ReaudioError: not a run directory, not finished, damaged, or of another schema version.
    """
    path = as_path(path)
    if not is_finished(path):
        raise ReaudioError(
            f"{path} is not a finished run: it has no {MANIFEST}. Name a folder below .../runs/DATASET/SYSTEM/."
        )
    try:
        manifest: Json = json.loads((path / MANIFEST).read_bytes())
        _check_schema(path, manifest)
        return _read(path, manifest)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReaudioError(f"The run {path} is damaged ({type(error).__name__}: {error}): score it again.") from error


def _check_schema(path: Path, manifest: Mapping[str, Any]) -> None:
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ReaudioError(
            f"The run {path} has schema version {version}; this version reads {SCHEMA_VERSION}: score it again."
        )


def _read(path: Path, manifest: Json) -> Run:
    return Run(
        path,
        manifest,
        _read_scores(path, manifest),
        _read_dataset(path, manifest["dataset"]),
        tuple(Stratum(**s) for s in manifest["strata"]),
        json.loads((path / "metrics.json").read_bytes()),
        json.loads((path / "audit.json").read_bytes()),
    )


def _read_dataset(path: Path, about: Json) -> Dataset:
    prompts = RUN_PROMPTS.select(pd.read_parquet(path / "prompts.parquet"))
    labels = RUN_LABELS.select(pd.read_parquet(path / "labels.parquet"))
    return Dataset(
        name=about["name"],
        split=about["split"],
        prompts=tuple(
            Prompt(r["clip_id"], r["caption"], tuple(r["labels"]), bool(r["labels_known"]), r.get("source_id", ""))
            for r in prompts.to_dict("records")
        ),
        train_counts={k: int(n) for k, n in zip(labels["label"], labels["n_train"], strict=True) if n > 0},
        label_names=dict(zip(labels["label"], labels["name"], strict=True)),
        references={k: Path(v) for k, v in about["references"].items()},
        propagated=about["propagated"],
        notes=tuple(about["notes"]),
        banner=about.get("banner", ""),
        pool_counts=_pool_counts(labels),
    )


def _read_system(path: Path, manifest: Json) -> SystemInfo:
    clips = RUN_CLIPS.select(pd.read_parquet(path / "clips.parquet"))
    files = {str(c): Path(p) for c, p in zip(clips["clip_id"], clips["path"], strict=True)}
    about = manifest["system"]
    retrieval = read_run_retrieval(path, manifest.get("retrieval"))
    candidates = int(about.get("candidates", 1))
    return SystemInfo(about["name"], about["kind"], len(files), files, path, about["description"], retrieval, candidates)


def _read_scores(path: Path, manifest: Json) -> SystemScores:
    set_values = SET_VALUES.select(pd.read_parquet(path / "set_values.parquet"))
    set_values["replicates"] = [list(map(float, r)) for r in set_values["replicates"]]
    copies = path / COPYING
    return SystemScores(
        _read_system(path, manifest),
        stored_metrics(manifest["metrics"]),
        SCORES.select(pd.read_parquet(path / "scores.parquet")),
        set_values,
        manifest["undefined"],
        COPIES.select(pd.read_parquet(copies)) if copies.is_file() else COPIES.empty(),
        manifest.get("neighbours_of", ""),
        int(manifest["seed"]),
    )


def _pool_counts(labels: pd.DataFrame) -> dict[str, int] | None:
    """None for a run over an unknown pool, and for runs written before pools were kept."""
    if "n_pool" not in labels.columns:
        return None
    return {k: int(n) for k, n in zip(labels["label"], labels["n_pool"], strict=True) if n > 0}
