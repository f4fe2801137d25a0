"""Comparison with a control: significance by corrected p alone, in one sentence or one for each quantity."""

from __future__ import annotations

import dataclasses
import math

import pandas as pd
import pytest
from first_screens import ACCURACY, level, make, paired, said

from reaudio_eval.clips.system import Role
from reaudio_eval.reports.first_screen.comparison import against_controls
from reaudio_eval.reports.first_screen.evidence import Evidence, Words

ROLES: dict[str, Role] = {"ours": "system", "plain": "control", "copies": "copy", "real": "real"}
LEVELS = {"ours": (0.39, 0.75, 0.5, 0.27, 0.23), "plain": (0.29, 0.75, 0.38, 0.18, 0.1)}
LOSSES = {"ours": level(0.48, 0.2), "plain": level(0.57, 0.2)}
TESTS = [
    ("ours", "plain", "classes", 0.1, 0.02),
    ("ours", "plain", "tail", 0.09, 0.4),
    ("plain", "ours", "zero-shot", -0.13, 0.001),
    ("ours", "plain", "gap_head_tail", -0.09, math.nan),
    ("ours", "plain", "all", 0.3, 0.0),
]


def build(**more: object) -> Evidence:
    return make(ROLES, LEVELS, LOSSES, TESTS, **more)


def test_one_sentence_with_every_test_of_the_family() -> None:
    (only,) = said(list(against_controls(build(), ranked=False)))
    assert only == (
        "Compared with its control plain (0.75, 0.18, 0.10), it is "
        "significantly better on average over all classes (+0.10 [0.05, 0.15], corrected p = 0.020) and on unseen classes "
        "(+0.13 [0.08, 0.18], corrected p = 0.001); "
        "not significantly different on rare 1-9 classes (+0.09 [0.04, 0.14], corrected p = 0.400); "
        "not tested in the loss from common 100+ to rare 1-9 (-0.09 [-0.14, -0.04], 2 classes: too few)."
    )


def test_lower_is_better_turns_better_and_the_loss() -> None:
    lower = dataclasses.replace(ACCURACY, higher_is_better=False)
    gap = ("ours", "plain", "gap_head_tail", 0.2, 0.01)  # a gap of -0.3 against -0.5: the loss is smaller by 0.2
    (text,) = said(list(against_controls(make(ROLES, LEVELS, LOSSES, [TESTS[0], gap], metric=lower), ranked=False)))
    assert (
        "significantly better in the loss from common 100+ to rare 1-9 (-0.20 [-0.25, -0.15], corrected p = 0.010)" in text
    )
    assert "significantly worse on average over all classes (+0.10" in text


def test_a_larger_loss_is_worse() -> None:
    gap = ("ours", "plain", "gap_head_tail", 0.2, 0.01)
    (text,) = said(list(against_controls(make(ROLES, LEVELS, LOSSES, [gap]), ranked=False)))
    assert (
        "it is significantly worse in the loss from common 100+ to rare 1-9 (+0.20 [0.15, 0.25], corrected p = 0.010)."
        in text
    )


@pytest.mark.parametrize("change", [{"target": 0.0}, {"neutral": True}])
def test_a_metric_without_a_better_side_is_higher_or_lower(change: dict[str, object]) -> None:
    metric = dataclasses.replace(ACCURACY, **change)  # type: ignore[arg-type]
    (text,) = said(list(against_controls(make(ROLES, LEVELS, LOSSES, TESTS[:1], metric=metric), ranked=False)))
    assert "it is significantly higher on average over all classes" in text


def test_two_systems_are_named() -> None:
    roles: dict[str, Role] = {"ours": "system", "other": "system", "plain": "control"}
    tests = [TESTS[0], ("other", "plain", "classes", -0.1, 0.03)]
    first, second = said(list(against_controls(make(roles, LEVELS, LOSSES, tests), ranked=False)))
    assert first.startswith("Compared with the control plain (0.75, 0.18, 0.10), ours is significantly better on average")
    assert "other is significantly worse on average over all classes (-0.10 [-0.15, -0.05], corrected p = 0.030)." in second


def test_a_sentence_for_each_quantity() -> None:
    roles: dict[str, Role] = {"a": "system", "b": "system", "c": "system", "base": "control"}
    tests = [
        ("a", "base", "classes", 0.1, 0.02), ("b", "base", "classes", 0.01, 0.7), ("base", "c", "classes", 0.2, 0.001),
        ("a", "base", "tail", 0.1, 0.6), ("b", "base", "tail", 0.1, math.nan), ("c", "base", "tail", 0.1, 0.8),
        ("a", "base", "zero-shot", 0.1, math.nan),
    ]  # fmt: skip
    evidence = make(roles, {}, {}, tests, words=Words(control="baseline"))
    assert said(list(against_controls(evidence, ranked=True))) == [
        "Compared with the baseline base, on average over all classes: "
        "significantly better: a (+0.10 [0.05, 0.15], corrected p = 0.020); "
        "significantly worse: c (-0.20 [-0.25, -0.15], corrected p = 0.001); not significantly different: b.",
        "Compared with the baseline base, on rare 1-9 classes: not significantly different: a and c; not tested: b.",
    ]


def test_exploratory_tests_are_not_in_the_verdict() -> None:
    evidence = make(ROLES, LEVELS, LOSSES, paired(TESTS, "exploratory"))
    assert list(against_controls(evidence, ranked=False)) == []


def test_a_reference_only_where_it_is_asked_for() -> None:
    tests = pd.concat(
        [paired(TESTS[:1]), paired([("ours", "copies", "classes", -0.3, 0.01)], "reference")], ignore_index=True
    )
    evidence = make(ROLES, LEVELS, LOSSES, tests)
    assert len(list(against_controls(evidence, ranked=False))) == 1
    with_copies = dataclasses.replace(evidence, against=("copies",))
    assert said(list(against_controls(with_copies, ranked=False)))[1] == (
        "Compared with the copies of the retrieved clips copies, a reference, it is significantly worse on average over all classes "
        "(-0.30 [-0.35, -0.25], corrected p = 0.010)."
    )


def test_a_control_with_the_name_of_its_role_is_named_once() -> None:
    evidence = make(ROLES, LEVELS, LOSSES, TESTS[:1], words=Words("setting", "reference"), shown={"plain": "reference"})
    assert said(list(against_controls(evidence, ranked=False)))[0].startswith(
        "Compared with the reference (0.75, 0.18, 0.10), it is"
    )


@pytest.mark.parametrize("n", [7, 9])
def test_long_lists_are_cut(n: int) -> None:
    roles: dict[str, Role] = {f"s{i}": "system" for i in range(n)} | {"base": "control"}
    tests = [(f"s{i}", "base", "classes", 0.01, 0.5) for i in range(n)]
    (text,) = said(list(against_controls(make(roles, {}, {}, tests), ranked=True)))
    assert text.endswith(f"not significantly different: s0, s1, s2, s3, s4, s5 and {n - 6} more.")
