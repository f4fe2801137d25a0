"""Clip ids and labels of external scores, matched to a dataset."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.training_labels import known_labels
from reaudio_eval.scores.external.table import EXAMPLES, ScoreTable, number
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import CAPTION, clip_id_names
from reaudio_model.common.tables import SKIP_OPTION, quoted, shown


class UnknownClipsError(ReaudioError):
    """Clip ids of a table that are no prompts. clip_ids: those; table: its path or name."""

    def __init__(self, table: str, message: str, clip_ids: list[str]) -> None:
        super().__init__(message)
        self.table = table
        self.clip_ids = clip_ids


def id_schemes(dataset: Dataset) -> dict[str, Mapping[str, str]]:
    """Kind of id -> id -> clip_id: the naming schemes of the dataset's files without captions."""
    known = {scheme: names for scheme, names in dataset.file_names.items() if scheme != CAPTION}
    return known or dict(clip_id_names(p.clip_id for p in dataset.prompts))


def matched_rows(table: ScoreTable, dataset: Dataset, *, skip: bool = False) -> tuple[pd.DataFrame, list[str]]:
    """The rows of a table with the clip ids and label ids of the dataset, and notes.

    One kind of id holds for the whole table, the one that most of its ids are (:func:`id_schemes`); a note says which. Ids of other
    captions than the prompts of their clips are left out, and counted in a note.

    Args:
        table: its faulty rows are refused, or left out.
        dataset: with all of its prompts.
        skip: leave out rows of unknown clips, and faulty ones.

    Raises:
        UnknownClipsError: ids that are no prompts.
        ReaudioError: faulty rows: see :meth:`reaudio_model.common.tables.Table.finish`; or a label that is unknown or not that of the clip.
    """
    rows, ids = table.table.sound, table.clip_ids
    schemes = id_schemes(dataset)
    scheme = max(schemes, key=lambda name: sum(each in schemes[name] for each in ids))
    others = (
        dataset.captions.get(scheme, {}).keys() - schemes[scheme].keys()
    )  # captions that are not the prompt of their clip
    unknown = [each for each in ids if each not in schemes[scheme] and each not in others]
    if unknown and not skip:
        raise UnknownClipsError(str(table.table.path), _unknown(table, dataset, scheme, unknown, len(ids)), unknown)
    for row in rows.index[rows["clip_id"].isin(unknown)]:
        table.table.fault(int(row), f"the clip id {shown(str(rows.at[row, 'clip_id']))} is no {scheme} of a prompt")
    table.table.rows = table.table.rows[~table.table.rows["clip_id"].isin(others)]
    labels = _labels(table, dataset, schemes[scheme])
    found = table.table.finish()
    found = found.assign(
        clip_id=found["clip_id"].map(dict(schemes[scheme])),
        label=pd.Series([labels[row] for row in found.index.tolist()], found.index, dtype=object),
        value=found["value"].map(number).astype(float),
    )
    notes = [f"The clip ids of {table.name} are read as {scheme}.", *table.table.notes]
    n_other = sum(each in others for each in ids)
    if n_other:
        notes.append(
            f"{n_other:,} of {len(ids):,} clip ids of {table.name} are of other captions than the prompts, and are not used."
        )
    return found, notes


def _unknown(table: ScoreTable, dataset: Dataset, scheme: str, unknown: list[str], n: int) -> str:
    examples = quoted(unknown[:EXAMPLES])
    return (
        f"{table.table.path}: {len(unknown):,} of {n:,} clip ids are no {scheme} of a prompt of {dataset.name}/{dataset.split}, such as "
        f"{examples}: correct them, or leave their rows out with {SKIP_OPTION}."
    )


def _labels(table: ScoreTable, dataset: Dataset, clips: Mapping[str, str]) -> dict[int, str | None]:
    """Row -> label id, None without one; rows whose label is unknown, or not one of the clip, are marked."""
    parsed = table.table.parsed("label", known_labels(dataset).parse)
    prompts = {p.clip_id: p for p in dataset.prompts}
    rows = table.table.sound
    for row, clip_id, cell in zip(rows.index.tolist(), rows["clip_id"], rows["label"], strict=True):
        fault = _label_fault(prompts[clips[clip_id]], parsed[row])
        if fault:
            table.table.fault(row, f"the clip {shown(clip_id)} {fault} {shown(cell)}")
    return {row: next(iter(labels), None) for row, labels in parsed.items()}


def _label_fault(prompt: Prompt, labels: tuple[str, ...]) -> str:
    """What is wrong with the labels of a row, or ""."""
    if len(labels) > 1:
        return "has several labels in one row, which must be rows of their own:"
    if labels and not prompt.labels_known:
        return "has no known labels, so that it cannot have"
    return "does not have the label" if labels and labels[0] not in prompt.labels else ""
