"""Numbers as text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.reports.text import (
    bold_listing,
    count,
    decimals,
    interval,
    listing,
    number,
    p_value,
    p_words,
    strata_words,
    stratum_words,
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.43, 0.1], 3),
        ([0.043], 4),
        ([1.37], 2),
        ([27.31, 3.0], 2),
        ([321.0], 1),
        ([12_345.0], 0),
        ([], 2),
        ([math.nan], 2),
        ([0.0], 2),
    ],
)
def test_decimals_follow_the_largest_value(values: list[float], expected: int) -> None:
    assert decimals(values) == expected


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_number_reads_back(value: float, digits: int) -> None:
    text = number(value, digits)
    assert abs(float(text.replace(",", "").replace("−", "-")) - value) <= 0.5000001 * 10**-digits
    assert "-" not in text


def test_number_has_no_minus_zero_and_no_nan() -> None:
    assert number(-0.0001, 2) == "0.00"
    assert number(0.00001, 2, sign=True) == "0.00"
    assert number(math.nan, 2) == number(math.inf, 2) == "–"
    assert number(0.5, 2, sign=True) == "+0.50"


def test_interval_needs_both_ends() -> None:
    assert interval(-0.1, 0.25, 2) == "[−0.10,\N{NO-BREAK SPACE}0.25]"
    assert interval(math.nan, 0.25, 2) == ""


def test_words() -> None:
    assert p_value(0.0004) == "< 0.001"
    assert p_value(0.0417) == "0.042"
    assert p_value(math.nan) == "–"
    assert count(1, "class", "classes") == "1 class"
    assert count(1200, "clip") == "1,200 clips"
    assert [listing(["A", "B", "C"][:n]) for n in range(4)] == ["", "A", "A and B", "A, B and C"]


def test_strata_in_words() -> None:
    named, many = strata_scheme("log10", {}), strata_scheme("2,4,8,16,32,64", {})
    assert strata_words(named) == "common: 1,000 or more training clips; medium: 100-999; rare: 1-99; unseen: 0"
    assert strata_words(many[:2]) == "common: 64 or more training clips; 32-63"
    assert stratum_words(named[0]) == "common classes (1,000 or more training clips)"
    assert stratum_words(named[2]) == "rare classes (1-99 training clips)"
    assert stratum_words(named[3]) == "unseen classes (no training clips)"
    assert stratum_words(many[1]) == "classes with 32-63 training clips"
    assert stratum_words(many[-2]) == "rare classes (1 training clip)"


def test_p_values_in_sentences() -> None:
    assert [p_words(p) for p in (0.0001, 0.0123)] == ["< 0.001", "= 0.012"]


def test_bold_names_are_escaped() -> None:
    assert bold_listing(["a", "<i>", "c"]) == "<b>a</b>, <b>&lt;i&gt;</b> and <b>c</b>"
