"""Schemas of the label counts of a dataset."""

from __future__ import annotations

from collections.abc import Iterable

from reaudio_eval.frames.schema import LABEL, NAME, STRATUM, Schema, count, number, text

SPLITS = Schema(
    "splits",
    "A split of the dataset.",
    text("split", "name of the split"),
    count("n_clips", "clips"),
    count("n_captions", "captions"),
    count("n_classes", "classes with a clip"),
    number("labels_per_clip", "mean number of labels of a clip, NaN without clips"),
)

BINS = Schema(
    "bins",
    "A bin of training counts.",
    STRATUM,
    count("low", "smallest training count"),
    count("high", "first training count above the bin, missing for the last"),
    count("n_classes", "classes of the vocabulary"),
    count("n_classes_eval", "classes of the split"),
    count("n_pairs_eval", "clip and label pairs of the split"),
    count("n_clips_eval", "clips of the split whose rarest label is in the bin"),
)


def label_counts(splits: Iterable[str]) -> Schema:
    """A row for each class, with a count for each split."""
    counts = [count(f"n_{split}", f"clips of the class in the split {split}") for split in splits]
    return Schema("labels", "A class of the vocabulary.", LABEL, NAME, *counts, STRATUM)
