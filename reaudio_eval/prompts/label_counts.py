"""Label counts of a dataset (the paper's Figures 1 and 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pandas as pd

from reaudio_eval import plugins
from reaudio_eval.frames.datasets import BINS, SPLITS, label_counts
from reaudio_eval.prompts.dataset import ALL_SPLITS, TRAINING_SPLIT, Dataset
from reaudio_eval.prompts.datasets import DatasetOptions, DatasetPlugin, SplitLabels
from reaudio_eval.prompts.strata import PAPER_BINS, Stratum, rarest_label, stratum_of
from reaudio_model.common.errors import one_of

Counts = Mapping[str, int]  # label -> clips
TRAIN = TRAINING_SPLIT


@dataclass(frozen=True)
class LabelStatistics:
    """How often each label occurs. Counts are of distinct clips unless stated otherwise.

    Attributes:
        dataset: registered name.
        split: the evaluation split.
        n_classes: labels that occur in any split.
        labels: label, name, n_<split> for every split, stratum (bin); a row per label of the vocabulary, the most
            frequent in training first.
        splits: split, n_clips, n_captions, n_classes, labels_per_clip; a row per split whose clips are known.
        bins: stratum, low, high (exclusive; NA: no end), n_classes (by training clips), and in the evaluation split
            n_classes_eval, n_pairs_eval ((clip, label) pairs) and n_clips_eval (clips by their rarest label).
        notes: rows of tables that were left out.
    """

    dataset: str
    split: str
    n_classes: int
    labels: pd.DataFrame
    splits: pd.DataFrame
    bins: pd.DataFrame
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-able: the attributes, frames as lists of rows."""
        frames = {"splits": _rows(self.splits), "bins": _rows(self.bins), "labels": _rows(self.labels)}
        notes = {"notes": list(self.notes)} if self.notes else {}
        return {"dataset": self.dataset, "split": self.split, "n_classes": self.n_classes, **frames, **notes}


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.to_dict("records")
    return [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows]


def label_statistics(dataset: str, options: DatasetOptions) -> LabelStatistics:
    """Label counts of a registered dataset: of every split where it has ``split_labels``, else the training counts and those
    of ``options.split``.

    Raises:
        UnknownNameError: no such dataset.
        ReaudioError: whatever keeps the dataset from loading.
    """
    plugin = plugins.load("datasets", dataset)
    with plugins.guarded("datasets", dataset, "cannot be loaded"):
        found, train = _read(plugin, options)
    counts = {TRAIN: train} | {split: _count(clips) for split, clips in found.clips.items() if split != TRAIN}
    return LabelStatistics(
        dataset,
        options.split,
        n_classes=len({label for split in counts.values() for label, n in split.items() if n}),
        labels=_label_frame(found.names, counts),
        splits=SPLITS.frame(_split_row(split, clips, found.n_captions[split]) for split, clips in found.clips.items()),
        bins=BINS.frame(_bin_rows(found.names, train, _clips(found, options.split))),
        notes=found.notes,
    )


def _read(plugin: DatasetPlugin, options: DatasetOptions) -> tuple[SplitLabels, Counts]:
    found = plugin.split_labels(options)
    if found is not None:
        return found, _count(_clips(found, TRAIN))
    data = plugin.load(options)
    clips = [p.labels for p in data.prompts if p.labels_known]
    labels = dict.fromkeys(chain(data.vocabulary, data.label_names, data.train_counts, *clips))
    names = {label: data.label_names.get(label, label) for label in labels}
    return SplitLabels(names, {data.split: clips}, {data.split: len(clips)}, data.notes), data.train_counts


def _clips(found: SplitLabels, split: str) -> Sequence[tuple[str, ...]]:
    if split == ALL_SPLITS and split not in found.clips:
        return list(chain.from_iterable(found.clips.values()))
    return found.clips[one_of("split", split, [*found.clips, ALL_SPLITS])]


def _count(clips: Sequence[tuple[str, ...]]) -> Counts:
    return Counter(chain.from_iterable(clips))


def _label_frame(names: Mapping[str, str], counts: Mapping[str, Counts]) -> pd.DataFrame:
    columns = {f"n_{split}": [of_split.get(label, 0) for label in names] for split, of_split in counts.items()}
    strata = [stratum_of(n, PAPER_BINS).name for n in columns[f"n_{TRAIN}"]]
    frame = pd.DataFrame({"label": list(names), "name": list(names.values()), **columns, "stratum": strata})
    return label_counts(counts).check(frame).sort_values([f"n_{TRAIN}", "label"], ascending=[False, True], ignore_index=True)


def _split_row(split: str, clips: Sequence[tuple[str, ...]], n_captions: int) -> dict[str, Any]:
    counts = _count(clips)
    return {
        "split": split,
        "n_clips": len(clips),
        "n_captions": n_captions,
        "n_classes": len(counts),
        "labels_per_clip": sum(counts.values()) / len(clips) if clips else None,
    }


def _bin_rows(names: Mapping[str, str], train: Counts, clips: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
    def n_train(label: str) -> int:
        return train.get(label, 0)

    counts = _count(clips)
    rarest = [n_train(label) for label in (rarest_label(labels, n_train) for labels in clips) if label is not None]
    return [_bin_row(stratum, [n_train(label) for label in names], train, counts, rarest) for stratum in PAPER_BINS]


def _bin_row(
    stratum: Stratum, n_train: Sequence[int], train: Counts, counts: Counts, rarest: Sequence[int]
) -> dict[str, Any]:
    here = [n for label, n in counts.items() if stratum.contains(train.get(label, 0))]
    return {
        "stratum": stratum.name,
        "low": stratum.low,
        "high": stratum.high,
        "n_classes": sum(map(stratum.contains, n_train)),
        "n_classes_eval": len(here),
        "n_pairs_eval": sum(here),
        "n_clips_eval": sum(map(stratum.contains, rarest)),
    }


def prompts_csv(dataset: Dataset) -> str:
    """The prompts as CSV: clip_id, caption, labels (``;``-separated ids), in the dataset's order; ``--clip-manifest`` and the
    dataset "folder" read it."""
    rows = [
        {"clip_id": p.clip_id, "caption": p.caption, "labels": ";".join(p.labels if p.labels_known else ())}
        for p in dataset.prompts
    ]
    return pd.DataFrame(rows, columns=["clip_id", "caption", "labels"]).to_csv(index=False)
