"""What could not be told: differences that would be missed, tests that cannot reject, tests that could not be made."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from first_screens import make, paired, said

from reaudio_eval.clips.system import Role
from reaudio_eval.reports.first_screen.untold import untold

ROLES: dict[str, Role] = {"ours": "system", "other": "system", "plain": "control"}
LEVELS = dict.fromkeys(ROLES, (0.4, 0.7, 0.5, 0.3, 0.2))


def sentences(frame: pd.DataFrame) -> list[str]:
    return said(list(untold(make(ROLES, LEVELS, {}, frame))))


def test_detectable_differences_of_tests_that_are_not_significant() -> None:
    frame = pd.concat(
        [
            paired([("ours", "plain", "classes", 0.1, 0.2)], detectable=0.2),
            paired([("other", "plain", "classes", 0.1, 0.2)], detectable=0.3),
            paired([("ours", "plain", "tail", 0.1, 0.01)], detectable=0.4),
        ]
    )
    assert sentences(frame) == [
        "Differences of less than about 0.25 on average over all classes would probably not be found (power 0.8, median over the "
        "pairs); reaudio-eval plan says how many classes, prompts and seeds they need."
    ]


def test_no_difference_can_be_significant() -> None:
    frame = paired([("ours", "plain", "tail", 0.1, 1.0)], detectable=math.nan, power_note="cannot")
    assert sentences(frame) == ["Whatever its size, no difference would probably be significant on rare 1-9 classes."]


def test_reasons_of_missing_tests_are_named_once() -> None:
    frame = paired([("ours", "plain", q, 0.1, math.nan) for q in ("classes", "tail")], detectable=math.nan)
    assert sentences(frame) == [
        "No test could be made on average over all classes and on rare 1-9 classes: 2 classes: too few."
    ]


@pytest.mark.parametrize(("n_clips", "n_sentences"), [(0, 0), (3, 1)])
def test_systems_without_a_common_prompt_are_left_to_the_alert(n_clips: int, n_sentences: int) -> None:
    frame = paired([("ours", "plain", "classes", math.nan, math.nan)], detectable=math.nan, n_clips=n_clips)
    assert len(sentences(frame)) == n_sentences
