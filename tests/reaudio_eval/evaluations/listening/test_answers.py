"""Participants' files: what is understood, what is refused with the file and line, whose answers count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import listening_worlds
import numpy as np
import pytest
from raters import Careless, Rater, ask, write_answers

from reaudio_eval.evaluations.listening.answers import read_answers
from reaudio_eval.evaluations.listening.records import Key
from reaudio_eval.evaluations.listening.screening import screen
from reaudio_model.common.errors import ReaudioError

QUALITY = {**listening_worlds.QUALITY, "real": 1.2}


def rater(key: Key, name: str = "anna", seed: int = 0) -> Rater:
    return Rater(name, QUALITY, {p.clip_id: 0.0 for p in key.prompts}, seed)


def answered(folder: Path, key: Key, form: int = 0, name: str = "anna", **options: int) -> Path:
    return write_answers(folder, key, key.forms[form], rater(key, name), **options)


@pytest.mark.parametrize("which", ["mos", "pairs"])
def test_answers_read_back(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    key: Key = request.getfixturevalue(which)
    path = answered(tmp_path, key)
    found = read_answers(key, [path])
    assert len(found.rows) == 2 * len(key.forms[0].items)
    assert found.notes == ()
    assert read_answers(key, [tmp_path]).rows.equals(found.rows)


def test_spreadsheet_dialect(mos: Key, tmp_path: Path) -> None:
    path = answered(tmp_path, mos)
    wanted = read_answers(mos, [path]).rows
    path.write_text("\ufeff" + path.read_text(encoding="utf-8").replace(",", ";").replace("\n", "\r\n"), encoding="utf-8")
    assert read_answers(mos, [path]).rows.equals(wanted)


def test_order_of_files_and_rows_does_not_matter(mos: Key, tmp_path: Path) -> None:
    files = ask(tmp_path, mos, QUALITY, 4)
    wanted = read_answers(mos, files).rows
    lines = files[0].read_text(encoding="utf-8").splitlines()
    files[0].write_text("\n".join([lines[0], *lines[:0:-1]]), encoding="utf-8")
    assert read_answers(mos, files[::-1]).rows.equals(wanted)


def edit(line: int, column: str, value: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        lines = text.splitlines()
        cells = lines[line].split(",")
        cells[lines[0].split(",").index(column)] = value
        lines[line] = ",".join(cells)
        return "\n".join(lines)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit(1, "schema", "9"), "row 1: schema version '9'"),
        (edit(3, "test_id", "other"), "row 3: belongs to the test 'other'"),
        (edit(1, "form", "77"), "names the form '77'"),
        (edit(1, "item", "nothing"), "names the item 'nothing'"),
        (edit(1, "question", "MOS"), "answers the question 'MOS'"),
        (edit(1, "answer", "6"), "has the answer '6'; it must be a whole number from 1 to 5"),
        (edit(1, "answer", "0"), "has the answer '0'"),
        (edit(1, "answer", "3.5"), "has the answer '3.5'"),
        (edit(1, "answer", "³"), "has the answer '³'"),
        (edit(1, "participant", ""), "names no participant"),
        (edit(1, "played", "often"), "has 'often' for played"),
        (edit(1, "seconds", "-1"), "has '-1' for seconds"),
        (edit(1, "seconds", "nan"), "has 'nan' for seconds"),
        (lambda text: text.replace("question", "frage", 1), "lacks the column 'question'"),
        (lambda text: "", "is empty; the answers of a listening test should be there"),
        (lambda text: text.splitlines()[0], "has a header but no rows"),
        (
            lambda text: edit(1, "answer", "9")(edit(2, "answer", "8")(text)),
            "2 faulty rows: row 1: has the answer '9'.*row 2: has the answer",
        ),
    ],
)
def test_bad_files_are_named(mos: Key, tmp_path: Path, change: Callable[[str], str], words: str) -> None:
    path = answered(tmp_path, mos)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ReaudioError, match=words.replace("(", r"\(")):
        read_answers(mos, [path])


def test_bad_answer_of_a_pair(pairs: Key, tmp_path: Path) -> None:
    path = answered(tmp_path, pairs)
    path.write_text(edit(1, "answer", "C")(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ReaudioError, match="must be A, B or ="):
        read_answers(pairs, [path])


def test_bytes_that_are_no_text(mos: Key, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReaudioError, match="is UTF-16 text: save it as UTF-8"):
        read_answers(mos, [tmp_path / "a.csv"])


def test_missing_files(mos: Key, tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="no CSV file"):
        read_answers(mos, [tmp_path])
    with pytest.raises(ReaudioError, match="does not exist"):
        read_answers(mos, [tmp_path / "x.csv"])


def test_the_same_file_twice_counts_once_and_another_person_of_that_name_is_refused(mos: Key, tmp_path: Path) -> None:
    first = answered(tmp_path / "a", mos)
    copy = tmp_path / "copy.csv"
    copy.write_bytes(first.read_bytes())
    found = read_answers(mos, [first, copy])
    assert len(found.rows) == 2 * len(mos.forms[0].items)
    assert "Repeated unchanged, and used once: " in found.notes[0]
    other = write_answers(tmp_path / "b", mos, mos.forms[0], rater(mos, seed=9))
    with pytest.raises(ReaudioError, match="different answers of 'anna' to one question"):
        read_answers(mos, [first, other])


def test_answers_without_listening_are_left_out(mos: Key, tmp_path: Path) -> None:
    path = answered(tmp_path, mos)
    path.write_text(edit(1, "played", "0")(path.read_text(encoding="utf-8")), encoding="utf-8")
    found = read_answers(mos, [path])
    assert len(found.rows) == 2 * len(mos.forms[0].items) - 1
    assert "not played to the end: 1 answer." in found.notes[0]


@pytest.mark.parametrize("which", ["mos", "pairs"])
def test_screening(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    key: Key = request.getfixturevalue(which)
    half = len(key.forms[0].items) // 2
    answered(tmp_path, key)
    answered(tmp_path, key, name="brief", first=half - 3)
    answered(tmp_path, key, name="most", first=len(key.forms[0].items) - 2)
    write_answers(tmp_path, key, key.forms[1], Careless("zed", QUALITY, {}, 5))
    rows = read_answers(key, [tmp_path]).rows
    found = screen(key, rows)
    why = dict(zip(found.participants["participant"], found.participants["excluded"], strict=True))
    assert why["anna"] == why["most"] == ""
    assert why["brief"].startswith("answered 4")
    assert "attention checks" in why["zed"]
    assert set(found.ratings["participant"]) == {"anna", "most"}
    assert set(found.ratings["kind"]) == {"rating"}
    everyone = screen(key, rows, keep_all=True)
    assert set(everyone.ratings["participant"]) == {"anna", "brief", "most", "zed"}
    assert not everyone.participants["excluded"].any()
    allowed = screen(key, rows, max_failed=2)
    assert "zed" in set(allowed.ratings["participant"])


def test_one_answer_to_everything(mos: Key, tmp_path: Path) -> None:
    path = answered(tmp_path, mos)
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines[1:]:
        line[6] = "3"
    path.write_text("\n".join(",".join(line) for line in lines), encoding="utf-8")
    found = screen(mos, read_answers(mos, [path]).rows)
    assert found.participants["excluded"].tolist() == ["gave one answer to everything"]


def test_pairs_are_read_from_either_side(pairs: Key, tmp_path: Path) -> None:
    """A rater without any error prefers by quality, wherever the better clip stands."""
    perfect = Rater("p", QUALITY, {p.clip_id: 0.0 for p in pairs.prompts}, 0, own=0.0, noise=0.0)
    write_answers(tmp_path, pairs, pairs.forms[0], perfect)
    found = screen(pairs, read_answers(pairs, [tmp_path]).rows)
    better = [QUALITY[a] > QUALITY[b] for a, b in zip(found.ratings["system_a"], found.ratings["system_b"], strict=True)]
    np.testing.assert_array_equal(found.ratings["value"], np.array(better, dtype=float))
    assert (found.repeats["first"] == found.repeats["second"]).all()
    assert len(found.repeats) == 2 * sum(i.kind == "repeat" for i in pairs.forms[0].items)
