"""Values of several seeds and raters: means, numbers, standard deviations, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from reaudio_eval.scores.external.averages import averaged, levels, repeated_notes
from reaudio_model.common.errors import ReaudioError

COLUMNS = ["system", "metric", "clip_id", "label", "value", "seed", "rater"]


def rows(*cells: tuple[Any, ...]) -> pd.DataFrame:
    """Of (clip_id, value, seed, rater), of one system and metric."""
    full = [("A", "m", clip, None, float(value), seed, rater) for clip, value, seed, rater in cells]
    return pd.DataFrame(full, columns=COLUMNS).assign(table="a.csv")


def cell(found: pd.DataFrame, clip_id: str) -> tuple[float, int, float]:
    row = found.set_index("clip_id").loc[clip_id]
    return float(row["value"]), int(row["n_values"]), float(row["sd_values"])


def test_one_value_is_itself() -> None:
    found = averaged(rows(("1", 3, "", ""), ("2", 4, "0", "")))
    assert cell(found, "1")[:2] == (3.0, 1)
    assert np.isnan(found["sd_values"]).all()
    assert found["label"].tolist() == [None, None]
    assert str(found["n_values"].dtype) == "Int64"


def test_raters_are_averaged() -> None:
    found = averaged(rows(("1", 2, "", "x"), ("1", 6, "", "y"), ("2", 5, "", "x"), ("2", 5, "", "y")))
    assert cell(found, "1") == (4.0, 2, pytest.approx(np.sqrt(8)))
    assert cell(found, "2") == (5.0, 2, 0.0)


def test_seeds_are_averaged_over_means_of_raters() -> None:
    found = averaged(rows(("1", 2, "0", "x"), ("1", 4, "0", "y"), ("1", 9, "1", "x"), ("2", 1, "0", "y")))
    assert cell(found, "1") == (6.0, 2, pytest.approx(np.sqrt(18)))  # seeds 3 and 9
    assert cell(found, "2")[:2] == (1.0, 1)


def test_labels_of_a_clip_are_cells_of_their_own() -> None:
    frame = rows(("1", 0, "", ""), ("1", 1, "", "")).assign(label=["dog", "rain"])
    assert averaged(frame)[["label", "value"]].to_numpy().tolist() == [["dog", 0.0], ["rain", 1.0]]
    assert levels(frame) == {"m": "label"}
    assert levels(frame.assign(label=None)) == {"m": "clip"}
    with pytest.raises(
        ReaudioError, match="'m' has values with a label and without one: give every row of it a label, or none"
    ):
        levels(frame.assign(label=["dog", None]))


@pytest.mark.parametrize(
    "cells",
    [
        [("1", 2, "", ""), ("1", 3, "", "")],
        [("1", 2, "0", ""), ("1", 3, "0", "")],
        [("1", 2, "0", "x"), ("1", 3, "0", "x"), ("2", 3, "0", "x")],
    ],
)
def test_two_values_of_one_cell_are_refused(cells: list[tuple[Any, ...]]) -> None:
    with pytest.raises(
        ReaudioError,
        match=r"a\.csv: 1 cell has two values, such as m of 'A', clip '1': only values of different seeds or raters are averaged, so name "
        "these in a column seed or rater, or remove one of each",
    ):
        averaged(rows(*cells))


def test_a_rater_with_one_answer_is_refused() -> None:
    frame = rows(("1", 2, "", "x"), ("1", 3, "", "y"), ("2", 3, "", "x"))
    with pytest.raises(
        ReaudioError,
        match=r"a\.csv: 1 rater has one answer only \(m\), such as 'y': one answer does not show how a rater uses the scale, so remove "
        "those rows, or the column rater if it numbers rows",
    ):
        averaged(frame)
    with pytest.raises(ReaudioError, match=r"2 raters have one answer only \(m\), such as 'x', 'y'"):
        averaged(frame.iloc[:2])


def test_what_was_averaged_is_noted() -> None:
    frame = rows(("1", 2, "", "x"), ("1", 3, "", "y"), ("2", 3, "", "x"), ("3", 4, "", "y"))
    assert repeated_notes(averaged(frame), frame) == ("m: 4 values, averaged over 1 to 2 raters of each prompt and system.",)
    seeds = rows(("1", 2, "0", ""), ("1", 3, "1", ""))
    assert repeated_notes(averaged(seeds), seeds) == ("m: 2 values, averaged over 2 seeds of each prompt and system.",)
    assert repeated_notes(averaged(seeds.iloc[:1]), seeds.iloc[:1]) == ()
