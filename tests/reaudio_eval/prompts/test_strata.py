from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.prompts.strata import (
    PAPER_BINS,
    SCHEMES,
    ZERO_SHOT,
    Stratum,
    check_strata,
    histogram,
    partition_by_rarest,
    prompt_stratum,
    rarest_label,
    strata_scheme,
    stratum_of,
    stratum_titles,
    with_words,
)
from reaudio_model.common.errors import ReaudioError, UnknownNameError

COUNTS = {"a": 5, "b": 50, "c": 500, "d": 5000, "e": 0}


def edges(spec: str, counts: dict[str, int] | None = None) -> list[tuple[str, int, int | None]]:
    return [(s.name, s.low, s.high) for s in strata_scheme(spec, COUNTS if counts is None else counts)]


def test_log10_is_the_schemes_of_the_paper_figures() -> None:
    assert edges("log10") == [("head", 1000, None), ("medium", 100, 1000), ("tail", 1, 100), ("zero-shot", 0, 1)]


def test_lvis_has_the_edges_of_the_lvis_code() -> None:
    assert edges("lvis") == [("frequent", 100, None), ("common", 10, 100), ("rare", 1, 10), ("zero-shot", 0, 1)]


def test_imagenet_lt_has_many_above_100_and_few_below_20() -> None:
    assert edges("ImageNet-LT") == [("many", 101, None), ("medium", 20, 101), ("few", 1, 20), ("zero-shot", 0, 1)]


def test_custom_edges() -> None:
    assert edges("10,100,1000") == [
        ("1000+", 1000, None),
        ("100-999", 100, 1000),
        ("10-99", 10, 100),
        ("1-9", 1, 10),
        ("zero-shot", 0, 1),
    ]
    assert edges("1, 2") == [("2+", 2, None), ("1", 1, 2), ("zero-shot", 0, 1)]
    assert edges("7") == [("7+", 7, None), ("1-6", 1, 7), ("zero-shot", 0, 1)]


@pytest.mark.parametrize(
    ("spec", "titles"),
    [
        ("log10", ["common 1,000+", "medium 100-999", "rare 1-99", "unseen"]),
        ("lvis", ["frequent 100+", "common 10-99", "rare 1-9", "unseen"]),
        ("imagenet-lt", ["many-shot 101+", "medium-shot 20-100", "few-shot 1-19", "unseen"]),
        ("tertile", ["common 500+", "medium 50-499", "rare 1-49", "unseen"]),
        ("1", ["seen 1+", "unseen"]),
        ("10", ["common 10+", "rare 1-9", "unseen"]),
        ("10,100", ["common 100+", "medium 10-99", "rare 1-9", "unseen"]),
        ("2,10,100", ["very common 100+", "common 10-99", "rare 2-9", "very rare 1", "unseen"]),
        ("5,10,50,100", ["very common 100+", "common 50-99", "medium 10-49", "rare 5-9", "very rare 1-4", "unseen"]),
        ("2,3,4,5,6", ["common 6+", "5 clips", "4 clips", "3 clips", "2 clips", "rare 1", "unseen"]),
    ],
)
def test_titles_have_a_word_and_the_range(spec: str, titles: list[str]) -> None:
    counts = {"a": 5, "b": 50, "c": 500}
    strata = strata_scheme(spec, counts)
    assert list(stratum_titles(strata).values()) == titles
    assert len(set(titles)) == len(titles)


def test_words_are_no_part_of_a_stratum() -> None:
    first = strata_scheme("10,100", {})[0]
    bare = Stratum("100+", 100, None)
    assert first == bare
    assert first.to_json() == {"name": "100+", "low": 100, "high": None}
    assert bare.title == "100+ clips"
    assert with_words([bare, ZERO_SHOT])[0].title == "seen 100+"


@pytest.mark.parametrize(
    "spec", ["100,10", "10,10", "0,10", "-5,10", "10,x", "10,,20", "1.5", "1.5,3", ",", "1_0,2_0", "１０,２０", "1" * 30]
)
def test_bad_edges_are_refused(spec: str) -> None:
    with pytest.raises(ReaudioError, match="ascending positive whole numbers"):
        strata_scheme(spec, COUNTS)


def test_an_unknown_scheme_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'log10'"):
        strata_scheme("log01", COUNTS)


def test_tertile_splits_classes_into_thirds_and_ignores_unseen_ones() -> None:
    counts = {f"c{i}": i for i in range(10)}  # 1..9 seen
    assert edges("tertile", counts) == [("head", 7, None), ("medium", 4, 7), ("tail", 1, 4), ("zero-shot", 0, 1)]


def test_tertile_keeps_equal_counts_together() -> None:
    # Six of nine classes have one clip: the lowest third cannot be cut out of them.
    counts = dict(zip("abcdefghi", [1, 1, 1, 1, 1, 1, 2, 3, 4], strict=True))
    assert edges("tertile", counts) == [("head", 3, None), ("medium", 2, 3), ("tail", 1, 2), ("zero-shot", 0, 1)]


def test_tertile_needs_three_different_counts() -> None:
    with pytest.raises(ReaudioError, match="at least three different training counts, the dataset has 2"):
        strata_scheme("tertile", {"a": 1, "b": 1, "c": 9, "d": 0})


@given(
    spec=st.sampled_from(SCHEMES) | st.sets(st.integers(1, 10**6), min_size=1).map(lambda s: ",".join(map(str, sorted(s)))),
    counts=st.lists(st.integers(0, 10**5), max_size=30).map(lambda n: {str(i): v for i, v in enumerate([1, 2, 3, *n])}),
    n=st.integers(0, 10**7),
)
def test_every_scheme_partitions_the_counts(spec: str, counts: dict[str, int], n: int) -> None:
    strata = strata_scheme(spec, counts)
    check_strata(strata)
    assert sum(s.contains(n) for s in strata) == 1
    assert strata[-1] == ZERO_SHOT


@pytest.mark.parametrize(
    ("strata", "message"),
    [
        ((), "no upper end"),
        ((Stratum("a", 1, None),), "zero-shot"),
        ((Stratum("a", 1, 10), ZERO_SHOT), "no upper end"),
        ((Stratum("a", 2, None), ZERO_SHOT), "'a' and 'zero-shot' do not meet: 1 is not 2"),
        ((Stratum("zero-shot", 1, None), ZERO_SHOT), "same name"),
    ],
)
def test_strata_that_do_not_partition_are_refused(strata: tuple[Stratum, ...], message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        check_strata(strata)


def test_stratum_of_takes_the_lower_edge_in_and_the_upper_out() -> None:
    strata = strata_scheme("log10", COUNTS)
    assert [stratum_of(n, strata).name for n in (0, 1, 99, 100, 999, 1000)] == [
        "zero-shot", "tail", "tail", "medium", "medium", "head",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no stratum holds -1"):
        stratum_of(-1, strata)


@given(st.permutations(["x", "a", "b"]))
def test_the_rarest_label_does_not_depend_on_the_order(labels: list[str]) -> None:
    assert rarest_label(labels, {"x": 9, "a": 3, "b": 3}.__getitem__) == "a"


def test_no_label_no_rarest() -> None:
    assert rarest_label((), COUNTS.__getitem__) is None


def test_prompts_are_partitioned_by_their_rarest_label() -> None:
    prompts = [
        Prompt("1", "", ("d", "a")),
        Prompt("2", "", ("d",)),
        Prompt("3", "", ()),
        Prompt("4", "", ("a",), labels_known=False),
        Prompt("5", "", ("d", "e")),
        Prompt("6", "", ("b",)),
    ]
    strata = strata_scheme("log10", COUNTS)
    rows = partition_by_rarest(prompts, COUNTS.__getitem__, strata)
    assert {k: v.tolist() for k, v in rows.items()} == {"head": [1], "medium": [], "tail": [0, 5], "zero-shot": [4]}
    assert list(rows) == [s.name for s in strata]
    assert prompt_stratum(prompts[3], COUNTS.__getitem__, strata) is None


def test_paper_bins_have_the_published_edges() -> None:
    counts = [0, 1, 10, 11, 100, 101, 1000, 1001, 10_000, 10_001]
    assert list(histogram(counts).values()) == [1, 2, 2, 2, 2, 1]
    assert list(histogram([])) == [b.name for b in PAPER_BINS]


def test_audiocaps_histogram(shared: Path) -> None:
    with (shared / "data" / "audiocaps" / "audioset_classes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    train = next(k for k in rows[0] if "train" in k)
    counts = {r["mid"]: int(r[train]) for r in rows}
    # The table of the data's README.
    assert list(histogram(counts.values()).values()) == [201, 103, 88, 109, 25, 1]
