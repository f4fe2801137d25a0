"""The confirmatory family: its pairs and quantities, what is left out of it, and Holm's correction of each family."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from analysis_worlds import CLAP, DATA, KAD, STRATA, noisy_system

from reaudio_eval.clips.system import Role, SystemInfo
from reaudio_eval.evaluations.roles import scores_with_roles
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.class_table import class_table
from reaudio_eval.statistics.families import (
    Family,
    confirmatory_family,
    corrected,
    family_name,
    n_tests,
    named_pairs,
    named_quantities,
)
from reaudio_eval.statistics.longtail import analyse

ROLES: dict[str, Role] = {"a": "system", "b": "system", "plain": "control", "copies": "copy", "upper": "oracle"}
REAL, NOISE = SystemInfo("real", "real", 1), SystemInfo("noise", "noise", 1)
SYSTEMS = [*(SystemInfo(name, "generated", 1, role=role) for name, role in ROLES.items()), REAL, NOISE]
TABLE = class_table(DATA, STRATA)
UNSEEN = int((TABLE.stratum == len(STRATA) - 1).sum())  # classes without training clips


def without(*names: str) -> list[SystemInfo]:
    return [s for s in SYSTEMS if s.name not in names]


def test_systems_are_compared_with_their_control_and_with_each_other() -> None:
    assert named_pairs(SYSTEMS) == (("a", "plain"), ("b", "plain"), ("a", "b"))
    assert named_pairs(without("plain")) == (("a", "b"),)
    assert named_pairs(without("a")) == (("b", "plain"),)
    assert named_pairs(without("a", "b")) == ()  # a control alone
    assert named_pairs([REAL, NOISE]) == ()


def test_quantities_are_named_by_the_classes_of_the_prompts() -> None:
    assert named_quantities(CLAP, TABLE, UNSEEN) == ("classes", "1-9", "zero-shot", "gap_head_tail")
    assert named_quantities(CLAP, TABLE, UNSEEN + 1) == ("classes", "1-9", "gap_head_tail")
    assert named_quantities(KAD, TABLE, UNSEEN) == ("all", "1-9", "zero-shot")
    prompts = tuple(dataclasses.replace(p, labels=()) for p in DATA.prompts)
    unlabelled = class_table(dataclasses.replace(DATA, prompts=prompts), STRATA)
    assert named_quantities(CLAP, unlabelled, 1) == ("all",)


def test_pairs_that_are_named_leave_references_out() -> None:
    pairs = [("a", "plain"), ("a", "real"), ("copies", "plain")]
    family = confirmatory_family(CLAP, SYSTEMS, TABLE, 1, pairs)
    assert family == Family("clap_score", (("a", "plain"),), ("classes", "1-9", "zero-shot", "gap_head_tail"))
    assert confirmatory_family(None, SYSTEMS, TABLE, 1) == Family()


@pytest.mark.parametrize(
    ("test", "name"),
    [
        (("clap_score", "classes", "a", "plain"), "confirmatory"), (("clap_score", "1-9", "plain", "a"), "confirmatory"),
        (("clap_score", "all", "a", "plain"), "exploratory"), (("kad_panns", "classes", "a", "plain"), "exploratory"),
        (("clap_score", "classes", "a", "real"), "reference"), (("clap_score", "classes", "copies", "b"), "reference"),
        (("kad_panns", "all", "a", "upper"), "reference"),
    ],
)  # fmt: skip
def test_the_family_of_a_test(test: tuple[str, str, str, str], name: str) -> None:
    family = confirmatory_family(CLAP, SYSTEMS, TABLE, 5)
    assert family_name(family, {"a", "b", "plain"}, *test) == name


def test_each_family_is_corrected_by_itself() -> None:
    rows = [
        ("clap", "confirmatory", 0.01), ("clap", "confirmatory", 0.04), ("clap", "confirmatory", np.nan),
        ("clap", "exploratory", 0.01), ("clap", "exploratory", 0.02), ("clap", "exploratory", 0.03), ("kad", "exploratory", 0.01),
        ("clap", "reference", 1e-9), ("kad", "reference", 0.5),
    ]  # fmt: skip
    tests = pd.DataFrame(rows, columns=["metric", "family", "p_value"]).assign(quantity="all", se=0.1, df=9.0, level=np.nan)
    metrics = [dataclasses.replace(CLAP, name=name) for name in ("clap", "kad")]
    found = corrected(tests, metrics)
    expected = [0.02, 0.04, np.nan, 0.03, 0.04, 0.04, 0.01, 1e-9, 0.5]
    np.testing.assert_allclose(found["p_holm"], expected, rtol=1e-12)
    assert n_tests(found) == 2
    shuffled = corrected(tests.iloc[::-1], metrics).sort_index()
    pd.testing.assert_frame_equal(shuffled, found)


@pytest.fixture(scope="module")
def scores() -> list[SystemScores]:
    levels = {"a": 0.35, "b": 0.3, "plain": 0.3, "copies": 0.6}
    return [*(noisy_system(name, level) for name, level in levels.items()), noisy_system("real", 0.9, "real")]


def build(scores: list[SystemScores], **roles: Role) -> LongtailAnalysis:
    return analyse(scores_with_roles(scores, roles), DATA, STRATA, primary=CLAP.name)


def test_references_do_not_change_what_is_concluded(scores: list[SystemScores]) -> None:
    every = build(scores, plain="control", copies="copy").paired
    fewer = build(scores[:3], plain="control").paired
    keys = ["metric", "quantity", "system_a", "system_b"]
    named = [frame[frame["family"] != "reference"].set_index(keys)[["family", "p_holm"]] for frame in (every, fewer)]
    pd.testing.assert_frame_equal(*named)
    assert set(every.loc[every[["system_a", "system_b"]].isin(["copies", "real"]).any(axis=1), "family"]) == {"reference"}


def test_the_family_of_a_report_is_among_its_tests(scores: list[SystemScores]) -> None:
    analysis = build(scores, plain="control", copies="copy")
    assert analysis.family.pairs == (("a", "plain"), ("b", "plain"), ("a", "b"))
    rows = analysis.paired[analysis.paired["family"] == "confirmatory"]
    assert set(rows["metric"]) == {CLAP.name}
    assert len(rows) == len(analysis.family.pairs) * len(analysis.family.quantities)
    assert n_tests(analysis.paired) == rows["p_value"].notna().sum()


def test_a_report_without_classes_still_has_a_family(scores: list[SystemScores]) -> None:
    prompts = tuple(dataclasses.replace(p, labels=()) for p in DATA.prompts)
    bare = dataclasses.replace(DATA, prompts=prompts)
    alone = [dataclasses.replace(s, scores=s.scores[s.scores["metric"] == CLAP.name]) for s in scores[:2]]
    analysis = analyse(alone, bare, strata_scheme("10", {}))
    assert analysis.family == Family(CLAP.name, (("a", "b"),), ("all",))
    (row,) = analysis.paired[analysis.paired["family"] == "confirmatory"].to_dict("records")
    assert row["p_holm"] == row["p_value"]
