"""The settings of a sweep: what --over reads, which cells follow, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.evaluations.sweep.cells import Settings, canonical, check_factors, describe, parse_over, plan_cells, show
from reaudio_model.common.errors import ReaudioError

START = Settings(3, 12, 5.0, "audio+text", 0, 1)


def test_values_and_ranges_are_sorted_and_taken_once() -> None:
    found = parse_over(["k=3,1,1", "captions=1..3,5", "guidance=2.5, 1", "retrieval=audio+text,none", "seed=0..2"])
    assert found == {
        "k": (1, 3),
        "captions": (1, 2, 3, 5),
        "guidance": (1.0, 2.5),
        "retrieval": ("none", "audio+text"),
        "seed": (0, 1, 2),
    }
    assert [show(v) for v in (3, 2.5, 1.0, "audio")] == ["3", "2.5", "1", "audio"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["k"], r"--over 'k' must have the form NAME=V1,V2 or NAME=1\.\.5"),
        (["k="], "must have the form"),
        (["stepz=6"], "Unknown factor 'stepz'. Did you mean 'steps'"),
        (["k=1", "k=2"], "--over names k twice"),
        (["k=1,x"], "--over k=1,x: 'x' is not a whole number from 0"),
        (["k=-1"], "'-1' is not a whole number from 0"),
        (["steps=0"], "'0' is not a whole number from 1"),
        (["steps=1000"], "'1000' is more than 999"),
        (["captions=0..2"], "is not a whole number from 1"),
        (["guidance=nan"], "'nan' is not a number from 0 to 1000"),
        (["guidance=-2"], "'-2' is not a number from 0 to 1000"),
        (["candidates=0"], "'0' is not a whole number from 1"),
        (["retrieval=audoi"], "Unknown retrieval 'audoi'. Did you mean 'audio'"),
        (["seed=3..1"], "'3..1' runs backwards"),
        (["seed=0..1000"], "has more than 100 values"),
        (["k=1,"], "'' is not a whole number"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(options: list[str], message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        parse_over(options)


def test_values_given_in_python() -> None:
    expected = {"k": (0, 1, 2), "retrieval": ("none", "audio")}
    for k in ([0, 1, 2], range(3), {2, 0, 1}, (i for i in range(3))):
        assert parse_over({"k": k, "retrieval": ["audio", "none"]}) == expected


@pytest.mark.parametrize("given", [5, True, [1], [["k", 1]], [{"k": 1}]])
def test_what_is_no_factor_is_one_sentence(given: Any) -> None:
    with pytest.raises(ReaudioError, match="must have the form NAME=V1,V2, or be a mapping"):
        parse_over(given)


def test_star_varies_each_factor_alone_and_knows_one_cell_without_pairs() -> None:
    over = parse_over(["k=0,1", "retrieval=none,audio", "steps=6,12"])
    cells, axes = plan_cells("m", over, START, "star")
    assert [c.name for c in cells] == ["m", "m k=0", "m k=1", "m retrieval=audio", "m steps=6"]
    assert [c.reference for c in cells] == [True, False, False, False, False]
    points = {axis.factor.name: [(show(v), c.name) for v, c in axis.points] for axis in axes}
    assert points == {
        "k": [("0", "m k=0"), ("1", "m k=1"), ("3", "m")],  # the model's own value belongs to the curve
        "retrieval": [("none", "m k=0"), ("audio", "m retrieval=audio"), ("audio+text", "m")],
        "steps": [("6", "m steps=6"), ("12", "m")],
    }
    assert cells[1].settings == Settings(0, 12, 5.0, "none", 0, 1)


def test_grid_makes_every_combination_once() -> None:
    cells, axes = plan_cells("m", parse_over(["k=0,1", "retrieval=audio,audio+text", "steps=6,10"]), START, "grid")
    assert len(cells) == 2 + 4  # k 0 has no retrieval to vary
    assert cells[0].settings == Settings(1, 10, 5.0, "audio+text", 0, 1)  # nearest to k 3, 12 steps
    names = {c.name for c in cells}
    assert {"m", "m k=0", "m steps=6", "m k=0 steps=6", "m retrieval=audio", "m steps=6 retrieval=audio"} == names
    for axis in axes:
        assert any(c.reference for _, c in axis.points)


def test_adding_values_keeps_the_names_of_the_cells_that_were_there() -> None:
    few, _ = plan_cells("m", parse_over(["k=1"]), START, "star")
    more, _ = plan_cells("m", parse_over(["steps=6", "k=0,1,5", "retrieval=none"]), START, "star")
    assert {(c.name, c.settings) for c in few} <= {(c.name, c.settings) for c in more}


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ReaudioError, match="All values of --over give the same cell, k 3, steps 12"):
        plan_cells("m", parse_over(["k=3"]), START, "star")
    without = Settings(0, 12, 5.0, "audio+text", 0, 1)
    with pytest.raises(ReaudioError, match=r"\(with k 0 or retrieval none nothing of the pairs is given\)"):
        plan_cells("m", parse_over(["retrieval=audio,audio+text"]), without, "star")


def test_settings_are_described_and_have_a_cost() -> None:
    assert describe(START) == "k 3, steps 12, guidance 5, retrieval audio+text, candidates 1, seed 0, captions 1"
    assert START.cost == 24
    assert Settings(3, 12, 1.0, "audio", 0, 1).cost == 12  # guidance 1 asks the denoiser once a step
    assert Settings(3, 12, 5.0, "audio", 0, 1, candidates=3).cost == 72
    assert START.sampling == Sampling(12, 5.0, 3, "audio+text", 1)
    assert canonical(Settings(0, 6, 1.0, "audio", 0, 1)) == canonical(Settings(3, 6, 1.0, "none", 0, 1))


def test_factors_that_a_model_does_not_have() -> None:
    with pytest.raises(ReaudioError, match="tango retrieves nothing, so --over k has no effect"):
        check_factors("tango", parse_over(["k=0,1"]), Sampling(12, 5.0, 0, "none"), (), True)
    with pytest.raises(
        ReaudioError, match="m was trained to read audio of the retrieved pairs, so it cannot be given audio"
    ):
        check_factors("m", parse_over(["retrieval=audio+text"]), Sampling(12, 5.0, 3, "audio"), ("none", "audio"), True)
    with pytest.raises(ReaudioError, match="m has no denoising steps, so --over steps has no effect"):
        check_factors("m", parse_over(["steps=10,20"]), Sampling(None, 3.0, 0, "none"), (), False)
    with pytest.raises(ReaudioError, match="m makes one clip of each prompt, so candidates have no effect"):
        check_factors("m", parse_over(["candidates=1,3"]), Sampling(12, 5.0, 3, "audio"), ("none", "audio"), False)
    over = parse_over(["retrieval=none,audio", "k=1", "candidates=3"])
    check_factors("m", over, Sampling(12, 5.0, 3, "audio"), ("none", "audio"), True)
