"""Ranking of several systems: the best with its tests, strata of few classes, losses by their intervals."""

from __future__ import annotations

import dataclasses
import math

import pytest
from first_screens import ACCURACY, SIZES, level, make, said

from reaudio_eval.clips.system import Role
from reaudio_eval.reports.first_screen.evidence import Evidence, Level
from reaudio_eval.reports.first_screen.ranking import ranking

ROLES: dict[str, Role] = {"a": "system", "b": "system", "c": "system", "copies": "copy", "real": "real"}
LEVELS = {
    "a": (0.5, 0.7, 0.5, 0.4, 0.1), "b": (0.4, 0.6, 0.4, 0.3, 0.2), "c": (0.3, 0.5, 0.3, 0.2, 0.1),
    "copies": (0.9, 0.9, 0.9, 0.9, 0.9), "real": (0.8, 0.8, 0.8, 0.8, 0.8),
}  # fmt: skip
LOSSES = {"a": level(0.3, 0.1), "b": level(0.3, 0.4), "c": level(0.3, math.nan, reason="2 classes"), "real": level(0.0, 0.1)}
TESTS = [
    ("a", "b", "classes", 0.1, 0.2),
    ("a", "c", "classes", 0.2, 0.01),
    ("a", "b", "tail", 0.1, math.nan),
    ("a", "c", "tail", 0.2, math.nan),
]


def build(**more: object) -> Evidence:
    return make(ROLES, LEVELS, LOSSES, TESTS, **more)


def test_the_best_of_each_group_and_its_tests() -> None:
    overall, rare, unseen, worse, none, without = said(list(ranking(build())))
    assert overall == (
        "Of 3 systems, a has the highest label accuracy on average over all classes, 0.50 [0.40, 0.60] (real audio 0.80): "
        "significantly better than c (+0.20 [0.15, 0.25], corrected p = 0.010); not significantly different from b."
    )
    assert (
        rare == "On rare 1-9 classes, a has the highest, 0.40 [0.30, 0.50] (real audio 0.80); no difference could be tested."
    )
    assert unseen == "On unseen classes, b has the highest, 0.20 [0.10, 0.30] (real audio 0.80)."
    assert worse == (
        "Worse on rare sounds, by the 95 % interval of the loss from common 100+ to rare 1-9: a 0.30 [0.20, 0.40] "
        "(real audio: 0.00 [-0.10, 0.10])."
    )
    assert none == "No significant loss from common 100+ to rare 1-9: b."
    assert without == "Without an interval of the loss: c (2 classes)."


@pytest.mark.parametrize(("n_classes", "words"), [((1, 1, 1), "1 class"), ((1, 3, 4), "1 to 4 classes")])
def test_few_classes_are_not_ranked(n_classes: tuple[int, ...], words: str) -> None:
    levels = {
        **build().levels,
        **{(s, "zero-shot"): level(0.5, 0.1, n) for s, n in zip("abc", n_classes, strict=True)},
    }
    unseen = said(list(ranking(dataclasses.replace(build(), levels=levels))))[2]
    assert unseen == f"Unseen: {words}, too few to say which is best."


def test_one_system_with_enough_classes_is_ranked() -> None:
    levels = {**build().levels, **{(s, "zero-shot"): level(0.5, 0.1, 4) for s in "ac"}}
    assert SIZES["zero-shot"] == 12
    unseen = said(list(ranking(dataclasses.replace(build(), levels=levels))))[2]
    assert unseen.startswith("On unseen classes, a and c have the highest, 0.50")


def test_lower_is_better_and_a_target() -> None:
    lower = dataclasses.replace(ACCURACY, higher_is_better=False)
    first = said(list(ranking(build(metric=lower))))[0]
    assert first.startswith("Of 3 systems, c has the lowest label accuracy on average over all classes, 0.30")
    target = dataclasses.replace(ACCURACY, target=1.0)
    assert said(list(ranking(build(metric=target))))[0] == "The ideal label accuracy is 1, so no system has the best value."
    neutral = said(list(ranking(build(metric=dataclasses.replace(ACCURACY, neutral=True)))))[0]
    assert neutral == "No value of label accuracy is better than another, so no system has the best value."


def test_no_loss_has_an_interval() -> None:
    losses = {s: Level(0.3, reason="1 class in a stratum") for s in "abc"}
    texts = said(list(ranking(make(ROLES, LEVELS, losses, TESTS))))
    assert not any("loss" in text for text in texts)  # the family has pairs: the reason is among what could not be told
    alone = said(list(ranking(make({"a": "system", "real": "real"}, LEVELS, losses))))
    assert alone[-1] == "The loss from common 100+ to rare 1-9 has no interval: 1 class in a stratum."


@pytest.mark.parametrize(("name", "words"), [("plain", "the control plain has 0.30."), ("control", "the control has 0.30.")])
def test_the_value_of_the_control_where_systems_are_compared_with_it_alone(name: str, words: str) -> None:
    roles: dict[str, Role] = {"a": "system", name: "control"}
    evidence = make(roles, {"a": LEVELS["a"], name: LEVELS["c"]}, {})
    first = said(list(ranking(evidence)))[0]
    assert first.endswith(f"0.50 [0.40, 0.60]; {words}")
