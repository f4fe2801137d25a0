"""Reading CSV tables of captions, labels and classes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from reaudio_eval.prompts.dataset import ALL_SPLITS, Prompt
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.naming import label_key, name_key
from reaudio_model.common.tables import Table, quoted, read_table, shown

ANY_SPLIT = "test"  # the default of --split, of which tables without the column are
AUDIOSET = "audioset-527"  # the order of AudioSet's class list, which taggers' outputs follow


@dataclass(frozen=True)
class LabelSet:
    """The labels a dataset knows. ids: in the order of a tagger's outputs; names: id -> display name."""

    ids: tuple[str, ...]
    names: Mapping[str, str]
    _seen: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def ordered_names(self) -> tuple[str, ...]:
        """Display names in the order of ``ids``."""
        return tuple(self.names[label] for label in self.ids)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.ids)

    @cached_property
    def _lookup(self) -> dict[str, tuple[str, ...]]:
        """Key of an id or display name -> the ids it may stand for."""
        found: dict[str, dict[str, None]] = {}
        for text, label in (*((name, label) for label, name in self.names.items()), *zip(self.ids, self.ids, strict=True)):
            found.setdefault(label_key(text), {})[label] = None
        return {key: tuple(labels) for key, labels in found.items()}

    def parse(self, cell: str, where: str = "") -> tuple[str, ...]:
        """Label ids of a ``;``-separated cell of ids or display names, each once, in its order.

        Raises:
            ReaudioError: an unknown label, with the nearest names; a name that several labels have. ``where`` is before the message.
        """
        if cell not in self._seen:
            parts = [name_key(part) for part in cell.split(";")]
            self._seen[cell] = tuple(dict.fromkeys(self._resolve(part, where) for part in parts if part))
        return self._seen[cell]

    def _resolve(self, label: str, where: str) -> str:
        known = (label,) if label in self._known else self._lookup.get(label_key(label), ())
        if len(known) == 1:
            return known[0]
        start = f"{where}: " if where else ""
        if known:
            raise ReaudioError(f"{start}the label {shown(label)} may be any of {quoted(known)}: give the id.")
        near = difflib.get_close_matches(label_key(label), self._lookup, n=3, cutoff=0.6)
        names = " or ".join(repr(self.names.get(self._lookup[key][0], key)) for key in near)
        hint = f"Did you mean {names}?" if near else "Labels are ids or display names, separated by semicolons."
        raise ReaudioError(f"{start}unknown label {shown(label)}. {hint}")


def read_class_list(path: Path) -> LabelSet:
    """AudioSet's classes in the order of the taggers' outputs: index, mid, display_name.

    Raises:
        ReaudioError: see ``tables.read_table``; a mid given twice; or the indices are not 0, 1, 2, ...
    """
    table = read_table(path, ["index", "mid", "display_name"], "the class list", option="")  # no row can be left out
    table.require_values("mid")
    table.require_unique(["mid"], label_key)
    rows = table.finish()
    if [index.strip() for index in rows["index"]] != [str(i) for i in range(len(rows))]:
        raise ReaudioError(f"{path}: the column 'index' must count 0, 1, 2, ...")
    return LabelSet(tuple(rows["mid"]), dict(zip(rows["mid"], rows["display_name"], strict=True)))


class Captions(NamedTuple):
    """prompts: in file order; notes: sentences on rows that were left out."""

    prompts: tuple[Prompt, ...]
    notes: tuple[str, ...] = ()


def read_captions(path: Path, labels: LabelSet | None = None, split: str | None = None, *, skip: bool = False) -> Captions:
    """Captions of a folder of clips, in file order.

    Args:
        path: CSV with the columns caption, one of clip_id, file or filename (a file's extension is dropped), and
            optionally labels (``;``-separated), split, and source_id or youtube_id (the recording a clip was cut from).
        labels: the labels that are known; None keeps whatever stands there.
        split: rows to keep where there is a column split; None and "all" keep every row, and so does the default split where there is
            none.
        skip: leave faulty rows out.

    Raises:
        ReaudioError: see ``tables.read_table``; an empty caption, an empty, repeated or unusable id, an unknown label or split.
    """
    table = read_table(path, ["caption"], "the captions", skip=skip)
    if split not in (None, ANY_SPLIT, ALL_SPLITS) and "split" not in table.rows.columns:
        raise ReaudioError(
            f"{path} has no column split, so --split {split} cannot be chosen: leave it out or add the column."
        )
    if split not in (None, ALL_SPLITS) and "split" in table.rows.columns:
        known = [*table.rows["split"].unique().tolist(), ALL_SPLITS]
        table.rows = table.rows[table.rows["split"] == one_of("split", split, known)]
    table.rows = table.rows.assign(clip_id=_clip_ids(table))
    table.require_ids()
    table.require_values("caption")
    table.require_unique(["clip_id"])
    parse = _as_written if labels is None else labels.parse
    found = table.parsed("labels", parse) if "labels" in table.rows.columns else {}
    rows = table.finish()
    sources, splits = _first_column(rows, "source_id", "youtube_id"), _first_column(rows, "split")
    columns = zip(rows.index, rows["clip_id"], rows["caption"], sources, splits, strict=True)
    prompts = (_prompt(clip_id, caption, found.get(row, ()), *facts) for row, clip_id, caption, *facts in columns)
    return Captions(tuple(prompts), table.notes)


def _first_column(rows: pd.DataFrame, *names: str) -> list[str]:
    """The values of the first of these columns that is there, else empty ones."""
    name = next((name for name in names if name in rows.columns), None)
    return [""] * len(rows) if name is None else rows[name].tolist()


def _prompt(clip_id: str, caption: str, labels: tuple[str, ...], source_id: str, split: str) -> Prompt:
    return Prompt(clip_id, caption, labels, bool(labels), source_id, split)


def _as_written(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in cell.split(";") if part.strip()))


def _clip_ids(table: Table) -> list[str]:
    if "clip_id" in table.rows.columns:
        return table.rows["clip_id"].tolist()
    for column in ("file", "filename"):
        if column in table.rows.columns:
            return [name_key(Path(name.strip()).stem) for name in table.rows[column]]
    raise ReaudioError(
        f"{table.path} lacks the column 'clip_id' (or 'file' or 'filename'); it has {quoted(table.rows.columns)}."
    )
