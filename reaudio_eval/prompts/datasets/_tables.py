"""Reading CSV tables of captions, labels and classes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from reaudio_eval.prompts.dataset import Prompt
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.tables import quoted, read_table, require_ids, require_unique, require_values

AUDIOSET = "audioset-527"  # the order of AudioSet's class list, which taggers' outputs follow


@dataclass(frozen=True)
class LabelSet:
    """The labels a dataset knows. ids: in the order of a tagger's outputs; names: id -> display name."""

    ids: tuple[str, ...]
    names: Mapping[str, str]
    _seen: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _lookup(self) -> dict[str, str]:
        by_name = {name.casefold(): label for label, name in self.names.items()}
        return by_name | {label.casefold(): label for label in self.ids}

    def parse(self, cell: str, where: str) -> tuple[str, ...]:
        """Label ids of a ``;``-separated cell of ids or display names, each once, in its order.

        Raises:
            ReaudioError: an unknown label, with the nearest names.
        """
        if cell not in self._seen:
            parts = [part.strip() for part in cell.split(";")]
            self._seen[cell] = tuple(dict.fromkeys(self._resolve(part, where) for part in parts if part))
        return self._seen[cell]

    def _resolve(self, label: str, where: str) -> str:
        known = self._lookup.get(label.casefold())
        if known is not None:
            return known
        near = difflib.get_close_matches(label.casefold(), self._lookup, n=3, cutoff=0.6)
        shown = " or ".join(repr(self.names.get(self._lookup[key], key)) for key in near)
        hint = f"Did you mean {shown}?" if near else "Labels are ids or display names, separated by semicolons."
        raise ReaudioError(f"{where}: unknown label {label!r}. {hint}")


def read_class_list(path: Path) -> LabelSet:
    """AudioSet's classes in the order of the taggers' outputs: index, mid, display_name.

    Raises:
        ReaudioError: see ``tables.read_table``; or the indices are not 0, 1, 2, ...
    """
    table = read_table(path, ["index", "mid", "display_name"], "the class list")
    if table["index"].tolist() != [str(i) for i in range(len(table))]:
        raise ReaudioError(f"{path}: the column 'index' must count 0, 1, 2, ...")
    require_unique(table, ["mid"], path)
    return LabelSet(tuple(table["mid"]), dict(zip(table["mid"], table["display_name"], strict=True)))


def read_captions(path: Path, labels: LabelSet | None = None, split: str | None = None) -> tuple[Prompt, ...]:
    """Captions of a folder of clips, in file order.

    Args:
        path: CSV with the columns caption, one of clip_id, file or filename (a file's extension is dropped), and
            optionally labels (``;``-separated), split, and source_id or youtube_id (the recording a clip was cut from).
        labels: the labels that are known; None keeps whatever stands there.
        split: rows to keep where there is a column split; None keeps all.

    Raises:
        ReaudioError: see ``tables.read_table``; an empty caption, an empty, repeated or unusable id, an unknown label or split.
    """
    table = read_table(path, ["caption"], "the captions")
    if split is not None and "split" in table.columns:
        table = table[table["split"] == one_of("split", split, table["split"].unique().tolist())]
    table = table.assign(clip_id=_clip_ids(table, path))
    require_ids(table, path)
    require_values(table, "caption", path)
    require_unique(table, ["clip_id"], path)
    cells = table["labels"].tolist() if "labels" in table.columns else [""] * len(table)
    source = next((c for c in ("source_id", "youtube_id") if c in table.columns), None)
    sources = table[source].str.strip().tolist() if source else [""] * len(table)
    rows = zip(table.index + 1, table["clip_id"], table["caption"], cells, sources, strict=True)
    return tuple(
        _prompt(clip_id, caption, _labels(cell, labels, f"{path} row {row}"), source_id)
        for row, clip_id, caption, cell, source_id in rows
    )


def _prompt(clip_id: str, caption: str, labels: tuple[str, ...], source_id: str) -> Prompt:
    return Prompt(clip_id, caption, labels, labels_known=bool(labels), source_id=source_id)


def _labels(cell: str, labels: LabelSet | None, where: str) -> tuple[str, ...]:
    if labels is not None:
        return labels.parse(cell, where)
    return tuple(dict.fromkeys(part.strip() for part in cell.split(";") if part.strip()))


def _clip_ids(table: pd.DataFrame, path: Path) -> list[str]:
    if "clip_id" in table.columns:
        return table["clip_id"].str.strip().tolist()
    for column in ("file", "filename"):
        if column in table.columns:
            return [Path(name.strip()).stem for name in table[column]]
    raise ReaudioError(f"{path} lacks the column 'clip_id' (or 'file' or 'filename'); it has {quoted(table.columns)}.")
