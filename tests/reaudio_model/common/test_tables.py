"""Reading CSV tables: every error names the file and the place, all faulty rows together, and no row is lost silently."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaudio_model.common import csv_files
from reaudio_model.common.csv_files import read_records, read_text
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import label_key
from reaudio_model.common.tables import is_count, read_table


def write(path: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def rows(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = read_table(path, [], "it").finish().to_dict("list")  # type: ignore[assignment]
    return found


def test_read_table_keeps_strings(tmp_path: Path) -> None:
    assert rows(write(tmp_path / "a.csv", "a, b\n007,NA\n,x\n", "utf-8-sig")) == {"a": ["007", ""], "b": ["NA", "x"]}


def test_short_rows_are_empty_values(tmp_path: Path) -> None:
    assert rows(write(tmp_path / "a.csv", "a,b\n1\n")) == {"a": ["1"], "b": [""]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a,b\r\n"x, ""y""",2\r\n', {"a": ['x, "y"'], "b": ["2"]}),
        ('a,b\n"two\nlines",2\n', {"a": ["two\nlines"], "b": ["2"]}),
        ('a,b\na "quoted" word,2\n', {"a": ['a "quoted" word'], "b": ["2"]}),
        ("a,b,\n1,2,\n\n,,\n3,4,\n", {"a": ["1", "3"], "b": ["2", "4"]}),  # as spreadsheets save them
        ("a,b\n1,2,\n", {"a": ["1"], "b": ["2"]}),
        ("\n\na,b\n1,2\n", {"a": ["1"], "b": ["2"]}),
        ("clip_id,caption\n caf\u0065\u0301 , a dog\n", {"clip_id": ["caf\u00e9"], "caption": [" a dog"]}),
    ],
)
def test_tables_as_they_are_written(tmp_path: Path, text: str, expected: dict[str, list[str]]) -> None:
    assert rows(write(tmp_path / "a.csv", text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a\.csv is empty; it should be there, under a header"),
        ("a,b\n", r"a\.csv has a header but no rows"),
        ("x,b\n1,2\n", r"a\.csv lacks the column 'a'; it has 'x', 'b'"),
        ("a;b\n1;2\n", r"lacks the column 'a'; it has 'a;b': separate the columns by commas"),
        ("a,b,a\n1,2,3\n", "names the column 'a' twice"),
        ("a, a\n1,2\n", "names the column 'a' twice"),  # compared as they are looked up
        ("a,b\n1,2\n1,2,3\n", r"a\.csv row 2: 3 values for 2 columns: quote values that contain commas\. Correct the row"),
        ("a,b\n1,a dog, a cat\n", "row 1: 3 values for 2 columns: quote values that contain commas"),
        ('a,b\n1,"x\n2,"y"\n3,z\n', "row 1: the quotes do not match"),
        ('a,b\n1,x\n\n2,"y\n', r"row 2 \(line 4\): the quotes do not match"),
        ("a,b\n1,x\0y\n", "row 1: there is a NUL byte"),
        ("a\0,b\n1,x\n", r"not a readable CSV table, line 1: there is a NUL byte"),
        ('a,b\n1,"' + "x" * 200_000 + '"\n', "row 1: a value has more than 131,072 characters; a quote may be missing"),
        ("a," * 1_000 + "b\n", "has 1,001 columns, more than the 1,000 of a table"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        read_table(write(tmp_path / "a.csv", text), ["a"], "it").finish()


def test_a_row_with_a_fault_in_its_quotes_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b\n1,"x\n2,"y"\n3,z\n')
    table = read_table(path, ["a"], "it", skip=True)
    assert table.finish().to_dict("list") == {"a": ["2", "3"], "b": ["y", "z"]}
    assert table.notes == ("a.csv: 1 of 3 rows are left out (--skip-bad-rows): row 1: the quotes do not match.",)


def test_the_rest_of_a_value_with_a_fault_is_no_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b,c\n1,"one\nbreak" x,u\n2,y,v\n')
    table = read_table(path, ["a"], "it", skip=True)
    assert table.finish().to_dict("list") == {"a": ["2"], "b": ["y"], "c": ["v"]}
    assert table.notes[0].endswith(
        "row 2: it follows a row whose quotes do not match, and has other columns than the header."
    )


def test_a_long_value_is_one_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f'a,b\n{"x" * 200_000},"one\nbreak"\n2,y\n')
    table = read_table(path, ["a"], "it", skip=True)
    assert table.finish().to_dict("list") == {"a": ["2"], "b": ["y"]}
    assert table.n_rows == 2


def test_all_faulty_rows_are_reported_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "n\n" + "x\n" * 12 + "3\n")
    table = read_table(path, ["n"], "it")
    table.require_counts("n")
    with pytest.raises(ReaudioError) as raised:
        table.finish()
    listed = "; ".join(f"row {i}: n 'x' is not a whole number of at least 0" for i in range(1, 11))
    assert str(raised.value) == (
        f"{path} has 12 faulty rows: {listed}; and 2 more. Correct them, or leave them out with --skip-bad-rows."
    )
    table = read_table(path, ["n"], "it", skip=True)
    table.require_counts("n")
    assert table.finish()["n"].tolist() == ["3"]
    assert table.notes == (f"a.csv: 12 of 13 rows are left out (--skip-bad-rows): {listed}; and 2 more.",)


def test_no_row_left_is_an_error(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "n\nx\n"), ["n"], "it", skip=True)
    table.require_counts("n")
    with pytest.raises(ReaudioError, match=r"a\.csv has no row without a fault: row 1: n 'x' is not a whole number"):
        table.finish()


def test_a_table_that_needs_all_its_rows_names_no_option(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "n\nx\n"), ["n"], "it", option="")
    table.require_counts("n")
    with pytest.raises(ReaudioError, match=r"at least 0\. Correct the row\.$"):
        table.finish()


def test_keys_are_normalised_before_they_are_compared(tmp_path: Path) -> None:
    table = read_table(
        write(tmp_path / "a.csv", "label,clip_id\nDog,a\ndog,b\n Dog ,c\nCat, a \ncat,A\n"), [], "it", skip=True
    )
    table.require_unique(["label"], label_key)
    assert table.finish()["label"].tolist() == ["Dog", "Cat"]
    table = read_table(tmp_path / "a.csv", [], "it")
    table.require_unique(["clip_id"])  # clip ids are compared in their case
    with pytest.raises(ReaudioError, match="row 4: repeats clip_id 'a' of row 1"):
        table.finish()


@pytest.mark.parametrize(
    ("text", "accepted"),
    [("0", True), (" 12 ", True), ("9" * 15, True), ("9" * 16, False), ("9" * 5_000, False), ("-1", False), ("1.0", False),
     ("", False), ("\u0663", False), ("\u00b2", False), ("1e3", False)],
)  # fmt: skip
def test_counts(text: str, accepted: bool) -> None:
    assert is_count(text) is accepted


def test_values_are_shortened_in_messages(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", f"n\n{'9' * 5_000}\n"), ["n"], "it")
    table.require_counts("n")
    with pytest.raises(ReaudioError, match=r"n '9{57}\.\.\.' is not a whole number"):
        table.finish()


# --- files -----------------------------------------------------------------------------------------------------------


def test_no_file_a_folder_and_bad_bytes(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"none\.csv does not exist; the captions should be there"):
        read_table(tmp_path / "none.csv", [], "the captions")
    with pytest.raises(ReaudioError, match="is a folder; the captions should be a file"):
        read_table(tmp_path, [], "the captions")
    with pytest.raises(ReaudioError, match=r"a\.csv row 2: not UTF-8 \(save the file as UTF-8\)"):
        read_table(write(tmp_path / "a.csv", "a\nfine\ncafé\n", "latin-1"), [], "it").finish()
    with pytest.raises(ReaudioError, match="is UTF-16 text: save it as UTF-8"):
        read_table(write(tmp_path / "a.csv", "a\nfine\n", "utf-16"), [], "it")
    with pytest.raises(ReaudioError, match=r"a\.csv is not UTF-8 in line 2: save it as UTF-8"):
        read_text(write(tmp_path / "a.csv", "fine\ncafé\n", "latin-1"), "it")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(ReaudioError, match="is not a regular file"):
        read_table(tmp_path / "a.csv", [], "it")


def test_unreadable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.csv", "a\n1\n")

    def refuse(self: Path, *arguments: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ReaudioError, match=r"a\.csv cannot be read: Permission denied\."):
        read_table(path, [], "it")
    with pytest.raises(ReaudioError, match=r"cannot be read: .*null"):
        read_table(Path("a\0b.csv"), [], "it")
    with pytest.raises(ReaudioError, match="cannot be read: File name too long"):
        read_table(tmp_path / ("x" * 300), [], "it")


def test_compressed_tables(tmp_path: Path) -> None:
    text = b"a\n1\n"
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", text)
    for suffix, data in ((".gz", gzip.compress(text)), (".bz2", bz2.compress(text)), (".xz", lzma.compress(text))):
        write(tmp_path / f"a.csv{suffix}", data)
    for suffix in (".gz", ".bz2", ".xz", ".zip"):
        assert rows(tmp_path / f"a.csv{suffix}") == {"a": ["1"]}


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zip"])
def test_text_that_is_named_like_a_compressed_table(tmp_path: Path, suffix: str) -> None:
    for data in (b"a\n1\n", b"", gzip.compress(b"a\n1\n" * 99)[:-9], b"PK\x03\x04" + b"\0" * 40):
        with pytest.raises(ReaudioError, match=rf"a\.csv\{suffix} (is not a readable \{suffix} file of one table|is empty)"):
            read_table(write(tmp_path / f"a.csv{suffix}", data), [], "it")


def test_an_archive_of_two_tables(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
        archive.writestr("b.csv", "a\n1\n")
    with pytest.raises(ReaudioError, match=r"is not a readable \.zip file of one table"):
        read_table(tmp_path / "a.zip", [], "it")


def test_sizes_are_limited_after_decompression_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "MAX_BYTES", 2**20)
    bomb = write(tmp_path / "a.csv.gz", gzip.compress(b"a\n" + b"1\n" * 2**20))
    assert bomb.stat().st_size < 2**14
    for path in (bomb, write(tmp_path / "a.csv", b"a\n" + b"1\n" * 2**20)):
        with pytest.raises(ReaudioError, match="has more than 1 MiB of text, the limit of a table: split it"):
            read_table(path, [], "it")
    monkeypatch.setattr(csv_files, "MAX_RECORDS", 10)
    with pytest.raises(ReaudioError, match="has more than 10 rows, the limit of a table"):
        read_table(write(tmp_path / "a.csv", "a\n" + "1\n" * 11), [], "it")


# --- properties ------------------------------------------------------------------------------------------------------

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def as_csv(table: list[list[str]]) -> str:
    """Every value in quotes, so that the text has exactly one meaning."""
    return "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in table)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=8))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]]) -> None:
    path = write(tmp_path_factory.getbasetemp() / "written.csv", as_csv([["x", "y", "z"], *cells]))
    kept = [row for row in cells if any(cell and not cell.isspace() for cell in row)]
    if kept:
        assert read_table(path, ["x"], "it").finish().to_numpy().tolist() == kept
    else:
        with pytest.raises(ReaudioError, match="has a header but no rows"):
            read_table(path, ["x"], "it")


@given(st.binary(max_size=200))
def test_any_bytes_give_rows_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = write(tmp_path_factory.getbasetemp() / "bytes.csv", data)
    message, table = "", None
    try:
        table = read_table(path, [], "it", skip=True)
        table.finish()
    except ReaudioError as error:
        message = str(error)
    if message:
        assert str(path) in message
        assert "\n" not in message
    else:
        assert table is not None
        assert len(table.sound) + len(table._faults) == table.n_rows  # every row is there or named


@given(st.lists(st.sampled_from(['1,"x', '2,y"', '"3",z', "4,u", '"', ""]), max_size=12))
def test_records_cover_every_line_once(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = write(tmp_path_factory.getbasetemp() / "lines.csv", "".join(f"{line}\n" for line in lines))
    found = list(read_records(path, "it"))
    starts = [record.line for record in found]
    assert starts == sorted(set(starts))
    for line in (i for i, text in enumerate(lines, start=1) if text == "4,u"):  # in a record of its own, or within quotes
        assert any(r.line == line or (r.line < line and "4,u" in "".join(r.cells)) for r in found)


def test_the_list_of_columns_is_short(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ",".join(f"c{i}" for i in range(500)) + "\n")
    with pytest.raises(ReaudioError, match=r"it has 'c0', .*'c9', \.\.\.\.$"):
        read_table(path, ["a"], "it")
