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
from typing import NamedTuple

from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.datasets import DatasetOptions, DatasetPlugin
from reaudio_eval.prompts.datasets._tables import AUDIOSET, LabelSet, read_captions, read_class_list
from reaudio_model.common.audio import find_clips
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import Schemes, caption_names, clip_id_names, label_key, require_match
from reaudio_model.common.tables import read_table

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
        counts = read_counts(root / COUNTS, skip=options.skip_bad_rows)
        path = options.clip_manifest or root / CAPTIONS
        prompts, left_out = read_captions(path, counts.labels, options.split, skip=options.skip_bad_rows)
        names = _file_names(prompts)
        references: Mapping[str, Path] = {}
        if options.references is not None:
            references = require_match(names, find_clips(options.references), str(options.references)).files
        classes = read_class_list(root / CLASSES) if (root / CLASSES).is_file() else None
        return Dataset(
            name="folder",
            split=options.split,
            prompts=prompts,
            train_counts=counts.train,
            label_names=counts.labels.names,
            references=references,
            vocabulary=classes.ids if classes else (),
            vocabulary_name=AUDIOSET if classes else None,
            class_names=classes.ordered_names if classes else (),
            file_names=names,
            notes=(*_label_notes(prompts), *counts.notes, *left_out),
            pool_counts=counts.pool,
        )


PLUGIN = Folder()


def _file_names(prompts: Iterable[Prompt]) -> Schemes:
    """Files are named after the clip id or the caption."""
    pairs = [(p.clip_id, p.caption) for p in prompts]
    return clip_id_names(clip_id for clip_id, _ in pairs) | caption_names(pairs)


def _label_notes(prompts: tuple[Prompt, ...]) -> list[str]:
    n = sum(not p.labels_known for p in prompts)
    return [
        f"{n} of {len(prompts)} clips have no known labels: they count in the overall numbers and in no stratum."
    ] * bool(n)


class LabelCounts(NamedTuple):
    """labels: in file order; train, pool: label -> clips, pool None where unknown; notes: rows left out."""

    labels: LabelSet
    train: dict[str, int]
    pool: dict[str, int] | None
    notes: tuple[str, ...] = ()


def read_counts(path: Path, *, skip: bool = False) -> LabelCounts:
    """Labels and their counts from a CSV (label, n_train[, name, n_pool]).

    Args:
        path: the table.
        skip: leave faulty rows out.

    Raises:
        ReaudioError: see ``tables.read_table``; a label given twice (in any case), or a count that is not a whole number of at least 0.
    """
    table = read_table(path, ["label", "n_train"], "the training counts", skip=skip)
    table.require_values("label")
    table.require("label", lambda value: ";" not in value, "the label {} has a semicolon, which separates labels")
    table.require_unique(["label"], label_key)
    columns = [column for column in ("n_train", "n_pool") if column in table.rows.columns]
    for column in columns:
        table.require_counts(column)
    rows = table.finish()
    labels = tuple(rows["label"])
    names = rows["name"] if "name" in rows.columns else labels
    counts = {column: dict(zip(labels, map(int, rows[column]), strict=True)) for column in columns}
    return LabelCounts(
        LabelSet(labels, dict(zip(labels, names, strict=True))), counts["n_train"], counts.get("n_pool"), table.notes
    )
