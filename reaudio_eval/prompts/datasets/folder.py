"""Any folder of audio with a CSV of captions and a CSV of training counts per label.

``--data-root`` holds

- ``counts.csv``: label, n_train and optionally name, and n_pool (clips of the retrieval pool); every label a clip may carry, unseen
  ones with 0;
- ``captions.csv``: clip_id (or file, filename), caption and optionally labels (``;``-separated ids or names) and split;
  ``--clip-manifest`` gives another one;
- ``class_labels_indices.csv`` (optional): AudioSet's class list, for the metrics that ask a tagger for a clip's label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.datasets import DatasetOptions, DatasetPlugin
from reaudio_eval.prompts.datasets._tables import AUDIOSET, LabelSet, read_captions, read_class_list
from reaudio_model.common.audio import find_clips
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import clip_id_names, require_match
from reaudio_model.common.tables import read_table, require_unique, require_values

CAPTIONS, COUNTS, CLASSES = "captions.csv", "counts.csv", "class_labels_indices.csv"


class Folder(DatasetPlugin):
    """A folder of tables."""

    def load(self, options: DatasetOptions) -> Dataset:
        """The prompts of ``captions.csv`` (those of ``options.split`` where it has a column split).

        Raises:
            ReaudioError: tables missing or damaged; unknown split or label; ``options.captions`` not 1; no reference fits.
        """
        root = options.data_root
        if root is None or not root.is_dir():
            raise ReaudioError(f"The dataset folder needs --data-root, a folder with {COUNTS} and {CAPTIONS}; got {root}.")
        if options.captions != 1:
            raise ReaudioError(f"--captions {options.captions}: the dataset folder has one caption per clip.")
        labels, counts = read_counts(root / COUNTS)
        path = options.clip_manifest or root / CAPTIONS
        prompts = read_captions(path, labels, options.split)
        references: Mapping[str, Path] = {}
        if options.references is not None:
            references = _references(prompts, options.references)
        vocabulary = read_class_list(root / CLASSES).ids if (root / CLASSES).is_file() else ()
        n_unknown = sum(not p.labels_known for p in prompts)
        note = (
            f"{n_unknown} of {len(prompts)} clips have no known labels: they count in the overall numbers and in no stratum."
        )
        return Dataset(
            name="folder",
            split=options.split,
            prompts=prompts,
            train_counts=counts,
            label_names=labels.names,
            references=references,
            vocabulary=vocabulary,
            vocabulary_name=AUDIOSET if vocabulary else None,
            notes=(note,) if n_unknown else (),
            pool_counts=read_pool_counts(root / COUNTS),
        )


PLUGIN = Folder()


def _references(prompts: Iterable[Prompt], folder: Path) -> dict[str, Path]:
    return require_match(clip_id_names(p.clip_id for p in prompts), find_clips(folder), str(folder)).files


def read_counts(path: Path) -> tuple[LabelSet, dict[str, int]]:
    """Labels and their training counts from a CSV (label, n_train[, name]).

    Raises:
        ReaudioError: see ``tables.read_table``; a label given twice, or a count that is not a whole number of at least 0.
    """
    table = read_table(path, ["label", "n_train"], "the training counts")
    require_values(table, "label", path)
    require_unique(table, ["label"], path)
    _require_counts(table, "n_train", path)
    labels = tuple(table["label"].str.strip())
    names = table["name"] if "name" in table.columns else labels
    counts = (int(n) for n in table["n_train"])
    return LabelSet(labels, dict(zip(labels, names, strict=True))), dict(zip(labels, counts, strict=True))


def read_pool_counts(path: Path) -> dict[str, int] | None:
    """Label -> clips of the retrieval pool, from the column n_pool of a CSV of counts; None where it has none.

    Raises:
        ReaudioError: see ``tables.read_table``; a count that is not a whole number of at least 0.
    """
    table = read_table(path, ["label"], "the counts of the labels")
    if "n_pool" not in table.columns:
        return None
    _require_counts(table, "n_pool", path)
    return {label.strip(): int(n) for label, n in zip(table["label"], table["n_pool"], strict=True)}


def _require_counts(table: pd.DataFrame, column: str, path: Path) -> None:
    bad = table.index[~table[column].str.strip().str.fullmatch(r"\d+")]
    if len(bad):
        row = bad[0]
        raise ReaudioError(f"{path} row {row + 1}: {column} {table.at[row, column]!r} is not a whole number of at least 0.")
