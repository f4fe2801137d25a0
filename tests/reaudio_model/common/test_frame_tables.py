"""Parquet files and DataFrames as tables of text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.frame_tables import read_csv_or_parquet, read_parquet, table_of

FRAME = pd.DataFrame({"id": [7, 8], "value": [0.1, np.nan], "seed": [1.0, np.nan], "name": ["a", None]}, index=[5, 5])
TEXTS = [["7", "0.1", "1", "a"], ["8", "", "", ""]]


def test_values_become_text_exactly() -> None:
    assert table_of(FRAME, Path("DataFrame"), ["id"], "rows").finish().to_numpy().tolist() == TEXTS
    values = [0.1 + 0.2, 1e300, -3.0, np.inf, 1e-17]
    texts = table_of(pd.DataFrame({"value": values}), Path("x"), [], "rows").finish()["value"]
    assert [float(text) for text in texts] == values
    whole = pd.DataFrame({"n": pd.array([3, None], dtype="Int64"), "b": [b"x", "y"]})
    assert table_of(whole, Path("x"), [], "rows").finish().to_numpy().tolist() == [["3", "x"], ["", "y"]]


def test_a_parquet_file_is_read_like_a_csv(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "a.PARQUET")
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    parquet, csv = (read_csv_or_parquet(tmp_path / name, ["id"], "rows") for name in ("a.PARQUET", "a.csv"))
    assert parquet.finish().to_numpy().tolist() == TEXTS
    assert csv.finish()[["id", "value", "name"]].equals(parquet.finish()[["id", "value", "name"]])
    csv.fault(2, "it is wrong")
    with pytest.raises(
        ReaudioError, match=r"a\.csv row 2: it is wrong\. Correct the row, or leave it out with --skip-bad-rows"
    ):
        csv.finish()


def test_what_is_no_table_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"DataFrame lacks the column 'clip_id'; it has 'id', 'value', 'seed', 'name'"):
        table_of(FRAME, Path("DataFrame"), ["clip_id"], "the scores")
    with pytest.raises(ReaudioError, match="DataFrame has no rows; the scores should be there"):
        table_of(FRAME.iloc[:0], Path("DataFrame"), ["id"], "the scores")
    with pytest.raises(ReaudioError, match="names the column 'id' twice"):
        table_of(pd.concat([FRAME, FRAME[["id"]]], axis=1), Path("DataFrame"), ["id"], "the scores")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(
        ReaudioError, match=r"a\.parquet is not a readable Parquet file: write it again, or save the scores as CSV"
    ):
        read_parquet(tmp_path / "a.parquet", "the scores")
    with pytest.raises(ReaudioError, match=r"b\.parquet does not exist or is no file; the scores should be there"):
        read_parquet(tmp_path / "b.parquet", "the scores")
