"""Run directory: the scores of one system, written and read.

Reports and comparisons are made from it without audio or networks.
``runs/<dataset>/<system>/<config hash>/`` holds ``prompts.parquet``, ``labels.parquet``, ``clips.parquet``, ``scores.parquet``,
``set_values.parquet``, ``metrics.json``, ``audit.json`` and, written last, ``manifest.json`` with the SHA-256 of every other file: a
directory without a manifest is not finished, and one with other files is refused. Of a system that retrieves it also holds
``retrieved.parquet`` and ``leakage.json``, where clips were compared with what was retrieved ``copying.parquet``, of one with several
clips for each prompt ``seed_values.parquet``, and ``request.yaml`` where options were given. The config hash covers everything the
numbers depend on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reaudio_eval.clips.retrieval import LEAKAGE, RETRIEVED, write_retrieval
from reaudio_eval.frames.schema import FrameError
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.runs.manifest import (
    COPYING,
    MANIFEST,
    REMEDY,
    REUSED,
    SEED_FILE,
    UNVERIFIED,
    DamagedRunError,
    Json,
    check_files,
    damaged,
    is_finished,
    last_used,
    read_manifest,
    sealed,
    with_seal,
)
from reaudio_eval.runs.stored import stored_dataset, stored_scores, stored_strata
from reaudio_eval.runs.written import described, tables
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import (
    StrPath,
    as_path,
    atomic_path,
    atomic_write,
    canonical_sha256,
    explain_write_error,
    folder_lock,
    folder_name,
    json_bytes,
)
from reaudio_model.common.json_files import read_json_object

METRICS, AUDIT, REQUEST = "metrics.json", "audit.json", "request.yaml"


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

    @property
    def verified(self) -> bool:
        """Whether its files are known to be those that were written; False for runs without digests."""
        return UNVERIFIED not in self.manifest


def run_path(output: Path, dataset: str, system: str, config: Json) -> Path:
    """The directory of the run with this configuration."""
    return output / "runs" / dataset / folder_name(system) / canonical_sha256(config)[:12]


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
    *,
    request: bytes | None = None,
    unless_whole: bool = False,
) -> None:
    """Write every file of a run, the manifest last. Two processes writing the same run wait for each other.

    Args:
        path: of the directory.
        scores, dataset, strata, metrics, audit: its content.
        manifest: further entries.
        request: content of ``request.yaml``; None without one.
        unless_whole: leave a finished run with whole files as it is, perhaps one that another process has just written.

    Raises:
        ReaudioError: not writable, or the disk is full; a run that was not finished then stays unfinished.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with folder_lock(path):
            if unless_whole and _is_whole(path):
                _mark_reused(path, str(manifest["created"]))
                return
            for name in (
                MANIFEST,
                RETRIEVED,
                LEAKAGE,
                COPYING,
                SEED_FILE,
                REQUEST,
            ):  # all but the first are not written by every run
                (path / name).unlink(missing_ok=True)
            found = tables(scores, dataset, strata, int(manifest["seed"]))
            names = [*found, METRICS, AUDIT]
            for name, frame in found.items():
                with atomic_path(path / name) as temporary:
                    frame.to_parquet(temporary, index=False)
            if scores.system.retrieval is not None:
                write_retrieval(path, scores.system.retrieval, dataset.prompts)
                names += [RETRIEVED, LEAKAGE]
            if request is not None:
                atomic_write(path / REQUEST, request)
                names.append(REQUEST)
            atomic_write(path / METRICS, json_bytes(metrics))
            atomic_write(path / AUDIT, json_bytes(audit))
            content = manifest | described(scores, dataset, strata)
            atomic_write(path / MANIFEST, json_bytes(sealed(path, content, names)))
    except OSError as error:
        raise explain_write_error(error, path) from error


def overall_json(analysis: LongtailAnalysis, system: str) -> Json:
    """``metrics.json`` of a system: metric name -> value, interval, method, counts, direction, source, reason."""
    overall = analysis.overall[analysis.overall["system"] == system]
    rows: dict[str, Any] = {row["metric"]: row for row in overall.to_dict("records")}
    n_classes = int((analysis.labels["n_test"] > 0).sum())
    table: Json = {}
    for metric in (*analysis.metrics, *(each.metric for each in analysis.not_computed)):
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
            "better": metric.better,
            "target": metric.target,
            "embedder": metric.embedder,
            "embedder_sha256": metric.embedder_sha256 or None,
            "source": metric.source,
        }
    return table


def read_run(path: StrPath) -> Run:
    """Read a finished run and verify its files; ``~`` is expanded.

    Raises:
        ReaudioError: not a run directory, not finished, or of another schema version.
        DamagedRunError: its files are not those that were written.
    """
    path = as_path(path)
    manifest = read_manifest(path)
    check_files(path, manifest)
    try:
        dataset = stored_dataset(path, manifest["dataset"])
        return Run(
            path,
            manifest,
            stored_scores(path, manifest, dataset),
            dataset,
            stored_strata(manifest),
            _read_object(path / METRICS, "the metrics of a run"),
            _read_audit(path),
        )
    except DamagedRunError:
        raise
    except (ReaudioError, FrameError, OSError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise damaged(path, error) from error


def _read_object(path: Path, what: str) -> Json:
    if not path.is_file():
        raise damaged(path.parent, f"{path.name} is missing")
    return read_json_object(path, what, remedy=REMEDY, error=DamagedRunError)


def _read_audit(path: Path) -> Json:
    audit = _read_object(path / AUDIT, "the audit of a run")
    if not all(isinstance(entry, Mapping) for entry in audit.values()):
        raise damaged(path, f"{AUDIT} holds something else than one object for each system")
    return audit


def _mark_reused(path: Path, now: str) -> None:
    """Note in a finished run that it is used again now, if other runs of its system are newer."""
    manifest = read_manifest(path)
    if UNVERIFIED in manifest or not any(_time(other) >= _time(path) for other in path.parent.iterdir() if other != path):
        return
    atomic_write(path / MANIFEST, json_bytes(with_seal(manifest | {REUSED: now})))


def _time(path: Path) -> str:
    """When the run in a folder was last used; "" where there is none."""
    try:
        return last_used(read_manifest(path))
    except ReaudioError:
        return ""


def _is_whole(path: Path) -> bool:
    """Whether there is a finished run, with the files that were written."""
    try:
        return is_finished(path) and bool(read_run(path))
    except DamagedRunError:
        return False


def verify_run(path: StrPath) -> list[str]:
    """What is wrong with a run directory, in sentences; [] for a run whose files are those that were written."""
    try:
        run = read_run(path)
    except ReaudioError as error:
        return [str(error)]
    if run.verified:
        return []
    return [f"The run {run.path} cannot be verified: it was {run.manifest[UNVERIFIED]}."]
