"""Datasets: prompts, references and training counts. One file each, found by file name (``registry.datasets``).

A dataset file has ``load(options: DatasetOptions) -> Dataset``. It may have ``split_labels(options) -> SplitLabels``: then
``data stats`` shows every split, else the training counts and one split. It may have ``class_captions(label) -> Sequence[str]``, the
wordings of ``--captions classes``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from reaudio_eval import plugins
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True)
class DatasetOptions:
    """What the user said about the data.

    Attributes:
        data_root: folder (or file) with the dataset's tables.
        references: folder of real clips, or None.
        clip_manifest: CSV (clip_id, caption[, labels, match, audiocap_id, youtube_id, start_time]) naming the clips that
            were generated, when that is not the whole split.
        split: e.g. "test".
        captions: which caption of several (1-based).
        cache_dir: where a dataset that makes its audio keeps it; None is the user's cache.
        reporter: of progress; None shows nothing.
    """

    data_root: Path | None = None
    references: Path | None = None
    clip_manifest: Path | None = None
    split: str = "test"
    captions: int = 1
    cache_dir: Path | None = None
    reporter: Reporter | None = field(default=None, compare=False)


@dataclass(frozen=True)
class DatasetDefaults:
    """How a dataset is evaluated unless the user says otherwise; a dataset file may have them as ``DEFAULTS``.

    Attributes:
        embedders: registered names. protocol: registered name. primary: metric shown first. strata: scheme or edges.
        metrics: names or families.
        sweep_sample: prompts of every cell of a sweep; None takes all.
    """

    embedders: tuple[str, ...] | None = None
    protocol: str | None = None
    primary: str | None = None
    strata: str | None = None
    metrics: tuple[str, ...] | None = None
    sweep_sample: int | None = None


def dataset_defaults(dataset: str) -> DatasetDefaults:
    """How a dataset is evaluated unless the user says otherwise.

    Raises:
        UnknownNameError: no such dataset.
    """
    found: DatasetDefaults = getattr(plugins.load("datasets", dataset), "DEFAULTS", DatasetDefaults())
    return found


class SplitLabels(NamedTuple):
    """The labels of whole splits.

    names: label id -> display name, of every label, in the vocabulary's order.
    clips: split ("train" among them) -> the labels of each distinct clip.
    n_captions: split -> captions.
    """

    names: Mapping[str, str]
    clips: Mapping[str, Sequence[tuple[str, ...]]]
    n_captions: Mapping[str, int]
