"""The clips of a training run: read, checked and identified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.progress import Reporter
from reaudio_model.common.tables import read_table
from reaudio_model.retrieval.clip_check import CheckedClips, check_clips, unchecked_clips
from reaudio_model.retrieval.pairs import PairTable, TableOptions, join_tables, read_pairs
from reaudio_model.training.config import DataChoice, TrainConfig

OPTIONS = TableOptions(skip_option="", root_option="data.audio_root")  # as messages name them


@dataclass(frozen=True)
class RunTables:
    """Clips in the tables of a run, before their audio is read. validation: None without validation tables."""

    training: PairTable
    validation: PairTable | None


@dataclass(frozen=True)
class RunClips:
    """Clips that a run uses. validation: None without validation tables; labels: of the tagger, clip_id -> names."""

    training: CheckedClips
    validation: CheckedClips | None
    labels: Mapping[str, frozenset[str]]

    def digests(self) -> dict[str, dict[str, str]]:
        """ "training" and "validation": clip_id -> digest of its audio's bytes, caption, recording, split and labels."""
        sets = {"training": self.training, "validation": self.validation}
        return {
            name: {
                pair.clip_id: canonical_sha256(
                    [
                        found.sha256.get(pair.clip_id), pair.caption, pair.source_id, pair.split,
                        sorted(self.labels.get(pair.clip_id, ())),
                    ]
                )
                for pair in found.pairs
            }
            for name, found in sets.items()
            if found is not None
        }  # fmt: skip


def read_tables(data: DataChoice) -> tuple[RunTables | None, list[ReaudioError]]:
    """The clips of ``data.pairs`` and ``data.validation``; None with every error if one cannot be used."""
    if not data.pairs:
        return None, [ReaudioError("There is nothing to train on: name the tables of the clips with data.pairs.")]
    training, faults = _read(data, data.pairs, "data.pairs", data.split, "data.split")
    validation, more = _read(data, data.validation, "data.validation", data.validation_split, "data.validation_split")
    if training is None or faults or more:
        return None, [*faults, *more]
    return RunTables(training, validation), []


def _read(
    data: DataChoice, tables: tuple[Path, ...], key: str, split: str | None, split_key: str
) -> tuple[PairTable | None, list[ReaudioError]]:
    """The tables as one set; None for no tables; and the errors."""
    found: list[tuple[Path, PairTable]] = []
    faults = []
    for table in tables:
        try:
            pairs = read_pairs(table, audio_root=data.audio_root, split=split, options=OPTIONS)
            found.append((table, pairs))
            if split is None:
                _require_one_split(pairs, f"{table} ({key})", split_key)
        except ReaudioError as error:
            faults.append(error)
    if not found or faults:
        return None, faults
    try:
        return join_tables(found), []
    except ReaudioError as error:
        return None, [error]


def _require_one_split(found: PairTable, where: str, split_key: str) -> None:
    """Joined tables would train on test clips."""
    splits = Counter(pair.split for pair in found.pairs)
    if len(splits) > 1:
        counts = ", ".join(f"{name or 'without split'} {n}" for name, n in sorted(splits.items()))
        example = next(name for name in ("train", *sorted(splits)) if splits.get(name) and name)
        raise ReaudioError(f"{where} has clips of several splits ({counts}): choose one, e.g. {split_key}={example}.")


def check_run_clips(config: TrainConfig, tables: RunTables, strict: bool, reporter: Reporter) -> RunClips:
    """Decode the clips once; missing and unreadable ones are left out and named, or refused with ``strict``.

    Raises:
        ReaudioError: see :func:`reaudio_model.retrieval.clip_check.check_clips`; a tagger's table without labels.
    """

    def check(table: PairTable, what: str) -> CheckedClips:
        if config.part == "t5":  # reads captions alone
            return unchecked_clips(table)
        return check_clips(table, what, strict=strict, reporter=reporter)

    validation = None if tables.validation is None else check(tables.validation, "validation clips")
    labels = read_labels(config.data) if config.part == "tagger" else {}
    return RunClips(check(tables.training, "training clips"), validation, labels)


def read_labels(data: DataChoice) -> dict[str, frozenset[str]]:
    """Labels of each clip: a column "labels", separated by ";".

    Raises:
        ReaudioError: a table without it.
    """
    labels: dict[str, frozenset[str]] = {}
    for path in (*data.pairs, *data.validation):
        table = read_table(path, ["clip_id", "labels"], "the labels of the clips", option=OPTIONS.skip_option)
        table.require_unique(["clip_id"])
        rows = table.finish()
        for clip_id, value in zip(rows["clip_id"], rows["labels"], strict=True):
            labels[clip_id] = frozenset(label.strip() for label in value.split(";") if label.strip())
    return labels
