"""Tables of scores: columns, values, ranges, directions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from reaudio_eval.scores.external.metrics import StatedMetric
from reaudio_eval.scores.external.source import GivenFrame, read_sources
from reaudio_eval.scores.external.table import number, range_text, read_score_tables
from reaudio_eval.scores.system_scores import Range
from reaudio_model.common.errors import ReaudioError, UnknownNameError

HIGHER = {"m": StatedMetric(True, Range(0.0, 10.0))}
HEADER = "clip_id,system,metric,value"


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_files_and_frames_give_the_same_rows(tmp_path: Path) -> None:
    csv = write(tmp_path / "a.csv", "1,A,m,0.5,7", "2,B,m,10,8", header=HEADER + ",rater")
    frame = pd.DataFrame(
        {"clip_id": [1, 2], "system": ["A", "B"], "metric": "m", "value": [0.5, 10], "rater": [7, 8], "more": 1}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    sources = read_sources([csv, tmp_path / "a.parquet", frame])
    tables, stated = read_score_tables([s if isinstance(s, GivenFrame) else Path(s) for s in sources], HIGHER)
    rows = [table.table.finish() for table in tables]
    assert rows[0].equals(rows[1])
    assert rows[1].equals(rows[2])
    assert rows[0].to_numpy().tolist() == [["1", "A", "m", "0.5", "", "", "7"], ["2", "B", "m", "10", "", "", "8"]]
    assert len({table.sha256 for table in tables}) == 1
    assert [table.name for table in tables] == ["a.csv", "a.parquet", "DataFrame 3"]
    assert stated == HIGHER
    assert tables[0].clip_ids == ["1", "2"]
    other = write(tmp_path / "b.csv", "1,A,m,0.6,7", header=HEADER + ",rater")
    assert read_score_tables([other], HIGHER)[0][0].sha256 != tables[0].sha256


def test_sources() -> None:
    frame = pd.DataFrame({"value": [1, 2]})
    (given,) = read_sources(frame)
    assert isinstance(given, GivenFrame)
    assert str(given) == "DataFrame: 2 rows"
    assert read_sources("a.csv") == ("a.csv",)
    assert read_sources(Path("a.csv")) == (Path("a.csv"),)
    assert read_sources([given, "a.csv"]) == (given, "a.csv")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1,A,m,"], r"a\.csv row 1: the value is missing or NaN\. Correct the row, or leave it out with --skip-bad-rows\."),
        (["1,A,m,nan"], r"row 1: the value 'nan' is not a finite number"),
        (["1,A,m,-inf"], r"row 1: the value '-inf' is not a finite number"),
        (["1,A,m,good"], r"row 1: the value 'good' is not a number"),
        (["1,A,m,1_0"], r"row 1: the value '1_0' is not a number"),
        (["1,A,m,3", "1,B,m,11"], r"row 2: the value '11' of m is outside its range, 0 to 10"),
        (["1,A,m,-0.01"], r"row 1: the value '-0\.01' of m is outside its range, 0 to 10"),
        ([",A,m,3"], "row 1: 'clip_id' is empty"),
        (["1,,m,3"], "row 1: 'system' is empty"),
        (["1,A,,3"], "row 1: 'metric' is empty"),
        (["1,A,a b,3", "1,A,m,3"], r"row 1: the metric 'a b' may have only letters, digits, '\.', '_' and '-', at most 80"),
    ],
)
def test_faulty_rows_are_named_or_left_out(tmp_path: Path, rows: list[str], message: str) -> None:
    path = write(tmp_path / "a.csv", *rows)
    (table,), _ = read_score_tables([path], HIGHER)
    with pytest.raises(ReaudioError, match=message):
        table.table.finish()
    path = write(tmp_path / "a.csv", *rows, "9,Z,m,5")
    (table,), _ = read_score_tables([path], HIGHER, skip=True)
    left = table.table.finish()
    assert left["clip_id"].tolist()[-1] == "9"
    assert len(left) == len(rows)
    assert "1 of" in table.table.notes[0]


def test_rounding_at_the_end_of_a_range_is_no_fault(tmp_path: Path) -> None:
    (table,), _ = read_score_tables([write(tmp_path / "a.csv", "1,A,m,10.0000005", "1,B,m,-1e-9")], HIGHER)
    assert len(table.table.finish()) == 2


def test_a_metric_needs_a_direction_and_a_stated_one_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "1,A,m,3", "1,A,other,3")
    with pytest.raises(
        ReaudioError,
        match=r"a\.csv does not say whether higher or lower values of 'other' are better: give --score-metric other=higher \(or lower\), "
        r"or write a\.yaml beside it\.",
    ):
        read_score_tables([path], HIGHER)
    with pytest.raises(UnknownNameError, match=r"Unknown metric of --score-metric 'ohter'\. Did you mean 'other'"):
        read_score_tables([path], {**HIGHER, "ohter": StatedMetric(True)})
    (tmp_path / "a.yaml").write_text("other: {direction: lower, range: [0, 2]}")
    (table,), stated = read_score_tables([path], HIGHER)
    assert stated == {**HIGHER, "other": StatedMetric(False, Range(0.0, 2.0))}
    with pytest.raises(ReaudioError, match="the value '3' of other is outside its range, 0 to 2"):
        table.table.finish()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a\.csv is empty; the scores should be there, under a header"),
        (HEADER + "\n", r"a\.csv has a header but no rows; the scores should be there"),
        ("clip_id,system,value\n1,A,3\n", r"a\.csv lacks the column 'metric'; it has 'clip_id', 'system', 'value'"),
        ("clip;system\n1;A\n", r"lacks the column 'clip_id', 'system', 'metric', 'value'.*separate the columns by commas"),
    ],
)
def test_a_file_without_scores_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ReaudioError, match=message):
        read_score_tables([tmp_path / "a.csv"], HIGHER)


def test_numbers_and_ranges() -> None:
    assert number(" 1e-3 ") == 0.001
    assert [range_text(Range(*r)) for r in ((0, 10), (0, None), (None, 1))] == ["0 to 10", "0 or more", "at most 1"]
