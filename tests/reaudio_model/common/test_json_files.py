"""The reader of JSON files: a value, or one sentence with the file's name and the remedy."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaudio_model.common import json_files
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.files import json_bytes
from reaudio_model.common.json_files import parse_json, read_json, read_json_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(VALUES)
def test_what_was_written_is_read(value: object) -> None:
    assert parse_json(json_bytes(value)) == value


@given(st.binary(max_size=40))
def test_other_bytes_are_a_value_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse_json(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff{}", "codec can't decode"),
        (b"[NaN]", "NaN is not a finite number"),
        (b"[1e999]", "1e999 is not a finite number"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5_000, "integer string conversion"),
    ],
)
def test_errors_name_file_and_remedy(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=reason) as caught:
        read_json(path, "the record", remedy="make it again", error=CheckpointError)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith("make it again.")


def test_missing_folder_large_and_other_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReaudioError, match="does not exist: make it again"):
        read_json(tmp_path / "absent.json", "the record", remedy="make it again")
    with pytest.raises(ReaudioError, match="cannot be read"):
        read_json(tmp_path, "the record", remedy="make it again")
    path = tmp_path / "list.json"
    path.write_text("[1]")
    with pytest.raises(ReaudioError, match="holds no JSON object"):
        read_json_object(path, "the record", remedy="make it again")
    monkeypatch.setattr(json_files, "MAX_BYTES", 2)
    with pytest.raises(ReaudioError, match="has 3 bytes, more than the 2"):
        read_json(path, "the record", remedy="make it again")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(ReaudioError, match="it is not a regular file"):
        read_json(tmp_path / "a.json", "the manifest", remedy="remove it")
