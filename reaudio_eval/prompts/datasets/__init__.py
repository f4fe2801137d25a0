"""Datasets: prompts, references and training counts, one file each.

A file has ``PLUGIN``, an instance of a subclass of :class:`DatasetPlugin`; its name is the dataset's (see ``reaudio_eval.plugins``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from reaudio_eval.prompts.dataset import Dataset
from reaudio_model.common.files import as_path
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True)
class DatasetOptions:
    """Where the data are and which of them to use. Paths may be given as strings; ``~`` is expanded.

    Attributes:
        data_root: folder (or file) with the dataset's tables.
        references: folder of real clips, or None.
        clip_manifest: CSV (clip_id, caption[, labels, match, audiocap_id, youtube_id, start_time]) naming the clips that
            were generated, when that is not the whole split.
        split: e.g. "test"; "all" (``dataset.ALL_SPLITS``) for the prompts of every split, each with its ``Prompt.split``.
        captions: which caption of several (1-based).
        cache_dir: where a dataset that makes its audio keeps it; None is the user's cache.
        reporter: of progress; None shows nothing.
        skip_bad_rows: leave faulty rows of tables out; the dataset's notes name them.
    """

    data_root: Path | None = None
    references: Path | None = None
    clip_manifest: Path | None = None
    split: str = "test"
    captions: int = 1
    cache_dir: Path | None = None
    reporter: Reporter | None = field(default=None, compare=False)
    skip_bad_rows: bool = False

    def __post_init__(self) -> None:
        paths = {
            "data_root": self.data_root,
            "references": self.references,
            "clip_manifest": self.clip_manifest,
            "cache_dir": self.cache_dir,
        }
        for name, path in paths.items():
            object.__setattr__(self, name, None if path is None else as_path(path))


@dataclass(frozen=True)
class DatasetDefaults:
    """Default options of an evaluation of a dataset.

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


class SplitLabels(NamedTuple):
    """The labels of whole splits.

    names: label id -> display name, of every label, in the vocabulary's order.
    clips: split ("train" among them) -> the labels of each distinct clip.
    n_captions: split -> captions.
    notes: rows of tables that were left out.
    """

    names: Mapping[str, str]
    clips: Mapping[str, Sequence[tuple[str, ...]]]
    n_captions: Mapping[str, int]
    notes: tuple[str, ...] = ()


class DatasetPlugin(ABC):
    """A registered dataset. ``load`` is required, the rest is optional."""

    defaults: DatasetDefaults = DatasetDefaults()

    @abstractmethod
    def load(self, options: DatasetOptions) -> Dataset:
        """The prompts of ``options.split``, or of every split, with training counts and, where there are real clips, references.

        Raises:
            ReaudioError: the data are missing or damaged, or an option does not apply.
        """

    def split_labels(self, options: DatasetOptions) -> SplitLabels | None:
        """The labels of every split, for ``data stats``; None: it shows the training counts and ``options.split``.

        Raises:
            ReaudioError: as :meth:`load`.
        """
        return None

    def class_captions(self, label: str) -> Sequence[str] | None:
        """Captions of one class alone, for ``--captions classes``; None: they are made from the class name."""
        return None
