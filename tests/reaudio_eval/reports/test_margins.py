"""Sentences and JSON on margins: every outcome, either order of the systems, and names as users write them."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from analysis_worlds import CLAP, DATA, STRATA, noisy_system

from reaudio_eval.evaluations.roles import scores_with_roles
from reaudio_eval.reports.margins import margin_json, margin_sentences
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.longtail import analyse
from reaudio_eval.statistics.margins import Margin

NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def base() -> LongtailAnalysis:
    systems = scores_with_roles([noisy_system("<i>a", 0.35), noisy_system("plain", 0.35)], {"plain": "control"})
    return analyse(systems, DATA, STRATA, margin=Margin(0.05))


def with_rows(analysis: LongtailAnalysis, *rows: dict[str, object]) -> LongtailAnalysis:
    usual = {"metric": CLAP.name, "system_a": "<i>a", "system_b": "plain", "quantity": "classes", "difference": 0.01,
             "ci_low": -0.02, "ci_high": 0.04, "p_noninferior": 0.5, "p_equivalent": 0.5}  # fmt: skip
    return replace(analysis, paired=pd.DataFrame([usual | row for row in rows]))


@pytest.mark.parametrize(
    ("p_noninferior", "p_equivalent", "words"),
    [
        (0.0241, 0.049, "is non-inferior and equivalent on average over all classes"),
        (0.0241, 0.051, "is non-inferior on average over all classes"),
        (0.0259, 0.049, "is equivalent, but not shown to be non-inferior, on average over all classes"),
        (0.0259, 0.051, "is not shown to be non-inferior or equivalent on average over all classes"),
    ],
)
def test_every_outcome(base: LongtailAnalysis, p_noninferior: float, p_equivalent: float, words: str) -> None:
    (sentence,) = margin_sentences(with_rows(base, {"p_noninferior": p_noninferior, "p_equivalent": p_equivalent}))
    assert sentence == (
        f"With a margin of 0.05 in CLAP score, <b>&lt;i&gt;a</b> compared with <b>plain</b> {words} "
        f"(+0.010 [−0.020,{NBSP}0.040], corrected p = {p_noninferior:.3f} for non-inferiority and p = {p_equivalent:.3f} for equivalence)."
    )


def test_a_difference_is_always_system_minus_control(base: LongtailAnalysis) -> None:
    turned = {"system_a": "plain", "system_b": "<i>a", "quantity": "1-9"}
    analysis = with_rows(base, {}, turned)
    (sentence,) = margin_sentences(analysis)
    assert f"; not shown to be non-inferior or equivalent on rare 1-9 classes (−0.010 [−0.040,{NBSP}0.020]" in sentence
    stated = margin_json(analysis)
    assert stated is not None
    assert [(t["system"], t["control"], t["difference"]) for t in stated["tests"]] == [
        ("<i>a", "plain", 0.01),
        ("<i>a", "plain", -0.01),
    ]


def test_without_margin_or_tests(base: LongtailAnalysis) -> None:
    assert margin_sentences(replace(base, margin=None)) == []
    assert margin_json(replace(base, margin=None)) is None
    empty = replace(base, paired=base.paired.assign(p_noninferior=float("nan")))
    assert margin_sentences(empty) == [
        "No test of the margin could be made: no system and control share enough classes with values."
    ]
