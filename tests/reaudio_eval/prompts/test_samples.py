"""Samples of prompts: every class before any a second time, the same whatever the order, smaller ones inside larger ones."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest

from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.samples import covering_sample
from reaudio_model.common.errors import ReaudioError

COUNTS = {f"c{i:02d}": 2**i for i in range(16)}
PROMPTS = tuple(Prompt(f"{label}-{take}", "x", (label,)) for label in COUNTS for take in range(4))
DATASET = Dataset("world", "test", PROMPTS, COUNTS, {})


def ids(dataset: Dataset) -> set[str]:
    return {p.clip_id for p in dataset.prompts}


def labels(dataset: Dataset) -> Counter[str]:
    return Counter(p.labels[0] for p in dataset.prompts)


def test_every_class_comes_before_any_comes_twice() -> None:
    assert set(labels(covering_sample(DATASET, 16)).values()) == {1}
    assert len(labels(covering_sample(DATASET, 16))) == 16
    assert Counter(labels(covering_sample(DATASET, 24)).values()) == {1: 8, 2: 8}


def test_few_prompts_cover_the_range_of_counts_evenly() -> None:
    places = sorted(list(COUNTS).index(label) for label in labels(covering_sample(DATASET, 4)))
    assert places == [0, 4, 8, 12]


def test_smaller_samples_are_part_of_larger_ones_and_order_does_not_matter() -> None:
    shuffled = dataclasses.replace(DATASET, prompts=tuple(random.Random(1).sample(PROMPTS, len(PROMPTS))))
    before: set[str] = set()
    for n in (1, 3, 10, 16, 30, 63):
        found = covering_sample(DATASET, n)
        assert len(found.prompts) == n
        assert before <= ids(found)
        assert ids(covering_sample(shuffled, n)) == ids(found)
        before = ids(found)


def test_the_datasets_order_is_kept_and_the_choice_is_stated() -> None:
    found = covering_sample(DATASET, 10)
    assert [p.clip_id for p in found.prompts] == [p.clip_id for p in PROMPTS if p.clip_id in ids(found)]
    assert found.notes == (
        "10 of 64 prompts, chosen evenly over the classes by their rarest label (10 of 16 classes): --sample 0 takes all.",
    )
    assert covering_sample(DATASET, 64) is DATASET


def test_a_prompt_belongs_to_its_rarest_label_and_untrusted_labels_count_for_nothing() -> None:
    prompts = (
        Prompt("both", "x", ("c15", "c00")),
        Prompt("common", "x", ("c15",)),
        Prompt("unsure", "x", ("c01",), labels_known=False),
        Prompt("bare", "x"),
    )
    found = covering_sample(dataclasses.replace(DATASET, prompts=prompts), 3)
    assert ids(found) == {"both", "common"}


def test_bad_samples_are_refused() -> None:
    with pytest.raises(ReaudioError, match="--sample must be 1 or more"):
        covering_sample(DATASET, -1)
    bare = dataclasses.replace(DATASET, prompts=(Prompt("a", "x"), Prompt("b", "x")))
    with pytest.raises(ReaudioError, match="no prompt has trusted ones: give --limit instead"):
        covering_sample(bare, 1)
