"""Core data types: prompt and dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

ALL_SPLITS = "all"  # in place of a split: the prompts of every split
TRAINING_SPLIT = "train"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One caption to generate a clip for.

    Attributes:
        clip_id: unique in a dataset; the stem of the clip's file.
        caption: the text given to a system.
        labels: label ids (AudioSet mids for AudioCaps), in no particular order; empty when unknown.
        labels_known: False when the labels cannot be trusted (an ambiguous match). Such a clip is counted in
            the overall numbers and in no stratum.
        source_id: the recording that the real clip was cut from (a youtube_id), or "" when unknown.
        split: of the dataset that the prompt belongs to ("train": it is training data), or "" when unknown.
    """

    clip_id: str
    caption: str
    labels: tuple[str, ...] = ()
    labels_known: bool = True
    source_id: str = ""
    split: str = ""


class NumberedPrompt(NamedTuple):
    """A prompt made of one of several captions of a clip; number: which, from 1."""

    number: int
    prompt: Prompt


def prompt_list_sha256(prompts: Iterable[Prompt]) -> str:
    """SHA-256 (hex) of the sorted (clip_id, caption) list, which identifies the test set of a number."""
    rows = sorted((p.clip_id, p.caption) for p in prompts)
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class Dataset:
    """Prompts, reference audio and how often each label occurs in training.

    Attributes:
        name, split: e.g. "audiocaps", "test"; the split is ``ALL_SPLITS`` where the prompts are those of every split.
        prompts: in the dataset's own order.
        train_counts: label id -> number of training clips that carry it. A label not listed has 0.
        label_names: label id -> display name.
        references: clip_id -> file of the real clip; may be empty or partial.
        vocabulary: the label ids in the order of a tagger's outputs, or () if there is none.
        vocabulary_name: name of that order ("audioset-527"); taggers with the same name share it.
        class_names: display names of ``vocabulary``, in its order, or ().
        propagated: whether labels were propagated to their ontology parents.
        file_names: naming scheme -> file stem -> clip_id: how files of these clips may be called (``naming.match_names``);
            empty when a file is always called after its clip id.
        notes: sentences the report prints (what was resolved, what was left out).
        banner: a sentence at the top of the report, or "".
        captions: naming scheme -> file stem, as it is compared -> the prompt it names, for names that say which of several captions a
            clip was made from (``caption_choice``); empty where there is one.
        pool_counts: label id -> number of clips with it that the default retrieval pool holds; a label not listed has 0. None
            where it is unknown.
    """

    name: str
    split: str
    prompts: tuple[Prompt, ...]
    train_counts: Mapping[str, int]
    label_names: Mapping[str, str]
    references: Mapping[str, Path] = field(default_factory=dict)
    vocabulary: tuple[str, ...] = ()
    vocabulary_name: str | None = None
    class_names: tuple[str, ...] = ()
    propagated: bool = False
    file_names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    banner: str = ""
    pool_counts: Mapping[str, int] | None = None
    captions: Mapping[str, Mapping[str, NumberedPrompt]] = field(default_factory=dict)

    @cached_property
    def list_sha256(self) -> str:
        return prompt_list_sha256(self.prompts)

    @property
    def why_no_stratum(self) -> str:
        """Why no prompt belongs to a stratum, a sentence; "" where some do."""
        if any(p.labels_known and p.labels for p in self.prompts):
            return ""
        return (
            f"None of the {len(self.prompts)} prompts has known labels, so there is no stratum: its table must give labels, or names of "
            "recordings of the dataset."
        )

    def n_train(self, label: str) -> int:
        return int(self.train_counts.get(label, 0))

    def n_pool(self, label: str) -> int | None:
        """Clips with this label in the retrieval pool; None where the pool is unknown."""
        return None if self.pool_counts is None else int(self.pool_counts.get(label, 0))
