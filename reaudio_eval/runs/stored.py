"""Tables of a run directory, read back and checked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from reaudio_eval.clips.retrieval import read_run_retrieval
from reaudio_eval.clips.roles import named_role
from reaudio_eval.clips.system import ROLES, Role, SystemInfo
from reaudio_eval.frames.schema import FrameError, Schema
from reaudio_eval.frames.scores import COPIES, RUN_CLIPS, RUN_LABELS, RUN_PROMPTS, SCORES, SEED_VALUES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import Stratum, check_strata, with_words
from reaudio_eval.runs.earlier import corrected, still_shown
from reaudio_eval.runs.manifest import COPYING, FILES, SEED_FILE, UNVERIFIED, Json
from reaudio_eval.scores.binding import stored_metrics
from reaudio_eval.scores.checked import outside
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_model.common.errors import one_of
from reaudio_model.common.settings import from_mapping

MAX_ROWS = 20_000_000
_OPEN = ("clip_id", "label", "stratum")  # may be empty in the values of seeds


def stored_strata(manifest: Json) -> tuple[Stratum, ...]:
    """The strata of a manifest.

    Raises:
        ReaudioError: an entry that is no stratum, or strata that do not meet.
    """
    strata = tuple(from_mapping(Stratum, each, "strata") for each in manifest["strata"])
    check_strata(strata)
    return with_words(strata)


def stored_dataset(path: Path, about: Json) -> Dataset:
    """The dataset of a run.

    Raises:
        FrameError: a table is not what was written.
    """
    prompts, labels = _read(path / "prompts.parquet", RUN_PROMPTS), _read(path / "labels.parquet", RUN_LABELS)
    _unique(prompts, "prompts.parquet", ["clip_id"])
    _unique(labels, "labels.parquet", ["label"])
    counts = [c for c in ("n_train", "n_pool") if c in labels.columns]
    if (labels[counts].isna() | (labels[counts] < 0)).to_numpy().any():
        raise FrameError("a count in labels.parquet is missing or negative")
    rows = prompts.to_dict("records")
    if not all(isinstance(label, str) for row in rows for label in row["labels"]):
        raise FrameError("a label in prompts.parquet is not text")
    return Dataset(
        name=about["name"],
        split=about["split"],
        prompts=tuple(
            Prompt(
                r["clip_id"],
                r["caption"],
                tuple(r["labels"]),
                bool(r["labels_known"]),
                r.get("source_id", ""),
                r.get("split", ""),
            )
            for r in rows
        ),
        train_counts={k: int(n) for k, n in zip(labels["label"], labels["n_train"], strict=True) if n > 0},
        label_names=dict(zip(labels["label"], labels["name"], strict=True)),
        references={k: Path(v) for k, v in about["references"].items()},
        propagated=about["propagated"],
        notes=tuple(about["notes"]),
        banner=about.get("banner", ""),
        pool_counts=_pool_counts(labels),
    )


def _pool_counts(labels: pd.DataFrame) -> dict[str, int] | None:
    """None for a run over an unknown pool, and for runs written before pools were kept."""
    if "n_pool" not in labels.columns:
        return None
    return {k: int(n) for k, n in zip(labels["label"], labels["n_pool"], strict=True) if n > 0}


def stored_scores(path: Path, manifest: Json, dataset: Dataset) -> SystemScores:
    """The scores of a run.

    Raises:
        FrameError: a table is not what was written.
        ReaudioError: a metric or the retrieval is not what was written.
    """
    metrics = stored_metrics(manifest["metrics"])
    clip_ids = {p.clip_id for p in dataset.prompts}
    scores = _read(path / "scores.parquet", SCORES, empty=("label",))
    _unique(scores, "scores.parquet", ["clip_id", "metric", "label"])
    _known(scores["clip_id"], clip_ids, "clip_id", "scores.parquet")
    in_range = UNVERIFIED in manifest  # nothing else says that the values are those that were written
    _check_values(scores, "scores.parquet", metrics, in_range)
    _check_spread(scores)
    set_values = _read(path / "set_values.parquet", SET_VALUES, empty=("reason", "ci_method"))
    _unique(set_values, "set_values.parquet", ["metric", "stratum"])
    _check_values(set_values, "set_values.parquet", metrics, in_range)
    set_values["replicates"] = [list(map(float, r)) for r in set_values["replicates"]]
    shown = still_shown(metrics)
    copies = _read(path / COPYING, COPIES) if _has(path, manifest, COPYING) else COPIES.empty()
    _known(copies["clip_id"], clip_ids, "clip_id", COPYING)
    seeds = _read(path / SEED_FILE, SEED_VALUES, _OPEN) if _has(path, manifest, SEED_FILE) else SEED_VALUES.empty()
    _known(seeds["clip_id"].dropna(), clip_ids, "clip_id", SEED_FILE)
    _check_values(seeds, SEED_FILE, metrics, in_range)
    return SystemScores(
        _stored_system(path, manifest, clip_ids),
        shown,
        scores,
        corrected(set_values, shown),
        {name: reason for name, reason in manifest["undefined"].items() if name in {m.name for m in shown}},
        copies,
        manifest.get("neighbours_of", ""),
        manifest["seed"],
        seeds,
        _set_clip_ids(path),
    )


def _set_clip_ids(path: Path) -> frozenset[str] | None:
    """The clips that set metrics count; None where they count all."""
    prompts = _read(path / "prompts.parquet", RUN_PROMPTS)
    return frozenset(prompts.loc[prompts["in_sets"], "clip_id"]) if "in_sets" in prompts.columns else None


def _stored_system(path: Path, manifest: Json, clip_ids: set[str]) -> SystemInfo:
    clips = _read(path / "clips.parquet", RUN_CLIPS)
    _unique(clips, "clips.parquet", ["clip_id"])
    found = {str(c): Path(p) for c, p in zip(clips["clip_id"], clips["path"], strict=True)}
    if not clip_ids <= set(found):
        _known(found, clip_ids, "clip_id", "clips.parquet")
    files = {c: p for c, p in found.items() if c in clip_ids}  # earlier runs also list clips of prompts that were left out
    about = manifest["system"]
    retrieval = read_run_retrieval(path, manifest.get("retrieval"))
    return SystemInfo(
        about["name"],
        about["kind"],
        len(clip_ids),
        files,
        path,
        about["description"],
        retrieval,
        about.get("candidates", 1),
        sampling=about.get("sampling"),
        role=_stored_role(about),
        seeds=_seeds(about),
    )


def _stored_role(about: Json) -> Role:
    """As written; of a run that earlier versions wrote by the name of its system."""
    if "role" not in about:
        return named_role(about["name"])
    return ROLES[ROLES.index(one_of("role of a system", about["role"], ROLES))]


def _seeds(about: Json) -> tuple[int, ...]:
    """The seeds of a system with several clips for each prompt."""
    seeds = about.get("seeds", [])
    if not all(isinstance(seed, int) and not isinstance(seed, bool) for seed in seeds):
        raise FrameError("a seed of the system is no whole number")
    return tuple(seeds)


def _has(path: Path, manifest: Json, name: str) -> bool:
    """Whether a run has a file that not every run has; a file that the manifest does not name is not part of it."""
    return (path / name).is_file() if UNVERIFIED in manifest else name in manifest[FILES]


def _read(path: Path, schema: Schema, empty: Iterable[str] = ()) -> pd.DataFrame:
    """A table whose text columns hold text; those of ``empty`` may lack it."""
    import pyarrow.parquet

    if not path.is_file():
        raise FrameError(f"{path.name} is missing")
    try:
        rows = pyarrow.parquet.read_metadata(path).num_rows
        if not 0 <= rows <= MAX_ROWS:
            raise FrameError(f"it has {rows} rows")
        frame = schema.select(pd.read_parquet(path))
    except (OSError, ValueError, LookupError, AttributeError, TypeError, NotImplementedError, MemoryError) as error:
        if isinstance(error, FrameError):
            raise FrameError(f"{path.name}: {error}") from error
        raise FrameError(f"{path.name} is not a readable table") from error  # ArrowInvalid is a ValueError
    for column in schema.columns:
        if column.kind == "text" and column.name in frame.columns:
            values = frame[column.name].dropna() if column.name in empty else frame[column.name]
            if not all(isinstance(each, str) for each in values):
                raise FrameError(f"column {column.name} of {path.name} holds something else than text")
        if column.kind == "list" and not all(isinstance(each, list | tuple | np.ndarray) for each in frame[column.name]):
            raise FrameError(f"column {column.name} of {path.name} holds something else than lists")
    return frame


def _unique(frame: pd.DataFrame, name: str, columns: list[str]) -> None:
    if frame.duplicated(columns).any():
        raise FrameError(f"{name} has a row twice")


def _known(found: Iterable[str], known: set[str], what: str, name: str) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise FrameError(f"{what} {unknown[0]!r} of {name} is not in the run")


def _check_spread(scores: pd.DataFrame) -> None:
    """Number and standard deviation of several values of a prompt are possible ones."""
    for name in ("n_values", "sd_values"):
        given = scores[name].dropna().to_numpy(dtype=np.float64) if name in scores.columns else np.empty(0)
        if not (np.isfinite(given) & (given >= 0)).all():
            raise FrameError(f"a value of {name} in scores.parquet is negative or infinite")


def _check_values(frame: pd.DataFrame, name: str, metrics: Iterable[MetricInfo], in_range: bool) -> None:
    """Every value is of a metric of the run and finite, with ``in_range`` also possible for it; NaN is undefined."""
    table = {m.name: m for m in metrics}
    _known(frame["metric"], set(table), "metric", name)
    for metric, values in frame.groupby("metric")["value"]:
        given = values.dropna().to_numpy(dtype=np.float64)
        if not np.isfinite(given).all():
            raise FrameError(f"a value of {metric} in {name} is not finite")
        if in_range and outside(given, table[str(metric)].range):
            raise FrameError(f"a value of {metric} in {name} is outside its range")
