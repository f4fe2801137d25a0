"""Reading CSV tables: every documented error names the file and the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.tables import read_table


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_read_table_keeps_strings(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "a, b\n007,NA\n,x\n", "utf-8-sig"), ["a", "b"], "it")
    assert table.to_dict("list") == {"a": ["007", ""], "b": ["NA", "x"]}


def test_short_rows_are_empty_values(tmp_path: Path) -> None:
    assert read_table(write(tmp_path / "a.csv", "a,b\n1\n"), ["a"], "it").to_dict("list") == {"a": ["1"], "b": [""]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a\.csv is not a readable CSV table: No columns"),
        ("a,b\n", r"a\.csv has a header but no rows"),
        ("x,b\n1,2\n", r"a\.csv lacks the column 'a'; it has 'x', 'b'"),
        ("a,b\n1,2\n1,2,3\n", r"a\.csv is not a readable CSV table: .*line 3, saw 3"),
        ("a,b\n1,a dog, a cat\n", "more values in a row than columns: quote the captions that contain commas"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        read_table(write(tmp_path / "a.csv", text), ["a"], "it")


def test_missing_file_and_bad_bytes(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"none\.csv does not exist; the captions should be there"):
        read_table(tmp_path / "none.csv", [], "the captions")
    path = write(tmp_path / "a.csv", "a\nfine\ncafé\n", "latin-1")
    with pytest.raises(ReaudioError, match=r"a\.csv is not UTF-8 in line 3: save it as UTF-8"):
        read_table(path, [], "it")
