"""Level sentences: the numbers, and what the interval of the loss allows one to say."""

from __future__ import annotations

import dataclasses
import math

import pytest
from first_screens import ACCURACY, COMMON, RARE, level, make, said

from reaudio_eval.clips.system import Role
from reaudio_eval.reports.first_screen.evidence import Evidence, Level
from reaudio_eval.reports.first_screen.levels import described, level_sentence

ROLES: dict[str, Role] = {"ours": "system", "real": "real"}
LEVELS = {"ours": (0.39, 0.75, 0.5, 0.27, 0.23), "real": (0.88, 0.85, 0.9, 0.86, 0.88)}
LOSS = {"ours": level(0.48, 0.2), "real": level(-0.01, 0.1)}
VALUES = "label accuracy 0.75 on common 100+, 0.27 on rare 1-9 and 0.23 on unseen classes (real audio 0.85, 0.86, 0.88)."


def of(loss: Level, **more: object) -> Evidence:
    return make(ROLES, LEVELS, LOSS | {"ours": loss}, **more)


@pytest.mark.parametrize(
    ("loss", "opening", "end"),
    [
        (level(0.48, 0.2), "ours works worse on rare sounds: ", ""),
        (level(0.48, 0.5), "ours shows no significant difference between common and rare sounds: ", ""),
        (level(-0.48, 0.2), "ours works better on rare sounds than on common ones: ", ""),
        (
            level(0.48, math.nan, reason="2 classes: an interval needs at least 5"), "ours has ",
            " Whether it works worse on rare sounds could not be tested: 2 classes: an interval needs at least 5.",
        ),
        (Level(), "ours has ", " Whether it works worse on rare sounds could not be tested: there is no interval."),
    ],
)  # fmt: skip
def test_worse_only_where_the_interval_of_the_loss_is_above_zero(loss: Level, opening: str, end: str) -> None:
    assert said([level_sentence(of(loss), "ours")]) == [opening + VALUES + end]


def test_the_loss_of_a_metric_where_lower_is_better_is_turned() -> None:
    lower = dataclasses.replace(ACCURACY, higher_is_better=False)
    text = said([level_sentence(of(level(-0.48, 0.2), metric=lower), "ours")])[0]
    assert text.startswith("ours works worse on rare sounds")
    assert (
        "The loss from common 100+ to rare 1-9 is 0.48 [0.28, 0.68]"
        in said(list(described(of(level(-0.48, 0.2), metric=lower))))[1]
    )


def test_the_loss_beside_that_of_the_real_audio() -> None:
    assert said(list(described(of(level(0.48, 0.2))))) == [
        f"ours works worse on rare sounds: {VALUES}",
        "The loss from common 100+ to rare 1-9 is 0.48 [0.28, 0.68]; for the real audio it is -0.01 [-0.11, 0.09].",
    ]


def test_groups_without_a_value_are_left_out() -> None:
    evidence = make({"ours": "system"}, {"ours": (0.39, 0.75, 0.5, 0.27, math.nan)}, {"ours": level(0.48, 0.2)})
    assert said([level_sentence(evidence, "ours")]) == [
        "ours works worse on rare sounds: label accuracy 0.75 on common 100+ and 0.27 on rare 1-9 classes."
    ]


def test_without_ends_every_group_is_named() -> None:
    evidence = dataclasses.replace(of(level(0.48, 0.2)), ends=None, groups=(COMMON, RARE))
    assert said(list(described(evidence))) == [
        "ours has label accuracy 0.75 on common 100+ and 0.27 on rare 1-9 classes (real audio 0.85, 0.86)."
    ]


def test_a_system_without_a_value_gives_the_reason() -> None:
    evidence = make(ROLES, {"real": LEVELS["real"]}, {})
    none = dataclasses.replace(
        evidence, levels={**evidence.levels, ("ours", "tail"): Level(reason="the checkpoint is missing")}
    )
    assert said([level_sentence(none, "ours")]) == ["ours has no value of label accuracy: the checkpoint is missing."]


def test_names_and_reasons_are_escaped() -> None:
    evil = "<script>"
    evidence = make({evil: "system"}, {evil: LEVELS["ours"]}, {evil: level(0.1, math.nan, reason="<i>")})
    text = str(level_sentence(evidence, evil))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;i&gt;" in text


def test_a_remark_ends_the_sentence() -> None:
    evidence = dataclasses.replace(of(level(0.48, 0.2)), remarks={"ours": "; its training data are not known"})
    assert said([level_sentence(evidence, "ours")])[0].endswith("0.88); its training data are not known.")
