"""Regimes of classes, and which prompts hold a rare one."""

from __future__ import annotations

import pytest

from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.regimes import (
    FEW,
    FEW_SHOT,
    NEITHER,
    POOL_ONLY,
    SEEN,
    UNKNOWN_POOL,
    check_few_shot,
    label_regime,
    present,
    rare_prompts,
    regime_of,
)
from reaudio_model.common.errors import ReaudioError

PROMPTS = (
    Prompt("a", "a dog", ("dog",)),
    Prompt("b", "an owl", ("owl",)),
    Prompt("c", "a dog and a crow", ("dog", "crow")),
    Prompt("d", "a gong", ("gong",)),
    Prompt("e", "perhaps an owl", ("owl",), labels_known=False),
    Prompt("f", "who knows", ()),
)
DATASET = Dataset("d", "test", PROMPTS, {"dog": 500, "gong": 3}, {}, pool_counts={"dog": 500, "gong": 3, "owl": 16})


@pytest.mark.parametrize(
    ("n_train", "n_pool", "regime"),
    [
        (0, 16, POOL_ONLY), (0, 0, NEITHER), (0, None, UNKNOWN_POOL), (1, 0, FEW), (19, None, FEW), (20, 20, SEEN), (5000, 0, SEEN),
    ],
)  # fmt: skip
def test_regime_of_a_class(n_train: int, n_pool: int | None, regime: object) -> None:
    assert regime_of(n_train, n_pool) == regime


def test_few_shot_is_declared() -> None:
    assert regime_of(20, 0, 20) == FEW
    assert regime_of(1, 0, 0) == SEEN
    assert FEW_SHOT == 19
    assert check_few_shot(0) == 0
    with pytest.raises(ReaudioError, match="--few-shot must be 0"):
        check_few_shot(-1)


def test_pool_counts_of_a_dataset() -> None:
    assert DATASET.n_pool("owl") == 16
    assert DATASET.n_pool("crow") == 0
    assert Dataset("d", "test", (), {}, {}).n_pool("owl") is None
    assert [label_regime(DATASET, label) for label in ("owl", "crow", "gong", "dog")] == [POOL_ONLY, NEITHER, FEW, SEEN]


def test_regimes_present_come_from_trusted_labels_in_a_fixed_order() -> None:
    assert present(DATASET) == (SEEN, FEW, POOL_ONLY, NEITHER)
    only_untrusted = Dataset("d", "test", PROMPTS[4:], {}, {}, pool_counts={})
    assert present(only_untrusted) == ()


def test_prompts_with_a_rare_class_zero_shot_first() -> None:
    assert [p.clip_id for p in rare_prompts(DATASET)] == ["b", "c", "d"]
    assert [p.clip_id for p in rare_prompts(DATASET, few_shot=0)] == ["b", "c"]
    swapped = Dataset("d", "test", (PROMPTS[3], PROMPTS[1]), DATASET.train_counts, {}, pool_counts=DATASET.pool_counts)
    assert [p.clip_id for p in rare_prompts(swapped)] == ["b", "d"]


def test_without_a_rare_class_there_is_nothing_to_do() -> None:
    with pytest.raises(
        ReaudioError, match=r"No prompt of d/test has a class with 19 training clips or fewer: raise --few-shot"
    ):
        rare_prompts(Dataset("d", "test", PROMPTS[:1], {"dog": 500}, {}))
