"""Answer files of participants, read and checked against the key."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.evaluations.listening.records import FIRST, NEITHER, QUESTIONS, SECOND, Item, Key
from reaudio_eval.frames.listening import ANSWERS
from reaudio_eval.reports.text import count
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import name_key
from reaudio_model.common.tables import read_table, shown

ANSWER_SCHEMA = 1
COLUMNS = ("schema", "test_id", "form", "participant", "item", "question", "answer", "played", "seconds", "order")
MAX_NAME = 80


@dataclass(frozen=True)
class Answers:
    """Answers to one test.

    Attributes:
        rows: ``frames.listening.ANSWERS``, one row for each participant, item and question, sorted; unanswered rows are left out.
        notes: what was left out.
    """

    rows: pd.DataFrame
    notes: tuple[str, ...]


def answer_files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and every ``*.csv`` directly in the folders named.

    Raises:
        ReaudioError: a path that does not exist, or a folder without CSV files.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.glob("*.csv") if not p.name.startswith("."))
            if not inside:
                raise ReaudioError(f"There is no CSV file in {path}: name the files that participants sent back.")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise ReaudioError(f"{path} does not exist: name the CSV files that participants sent back.")
    return list(dict.fromkeys(files))


def read_answers(key: Key, paths: Sequence[Path]) -> Answers:
    """Read and check the files of participants.

    A row that two files repeat unchanged is used once. Semicolons and a byte-order mark, as spreadsheets write them, are accepted.

    Raises:
        ReaudioError: not an answer file of this test, an answer out of range, two different answers of one participant to one
            item, or no answer at all; the file and all its faulty rows are named.
    """
    given, repeated = _unique_rows(key, paths)
    rows: list[tuple[str, str, str, str, str, float, float]] = []
    unplayed = 0
    for row in given:
        played, seconds = float(row["played"]), float(row["seconds"])
        if row["answer"] and played < 1:
            unplayed += 1
        elif row["answer"]:
            rows.append((row["participant"], row["form"], row["item"], row["question"], row["answer"], played, seconds))
    if not rows:
        raise ReaudioError("These files contain no answer.")
    notes = []
    if repeated:
        notes.append(f"Repeated unchanged, and used once: {count(repeated, 'answer')}.")
    if unplayed:
        notes.append(f"Left out, since the clips were not played to the end: {count(unplayed, 'answer')}.")
    return Answers(ANSWERS.check(pd.DataFrame(sorted(rows), columns=ANSWERS.names)), tuple(notes))


def _unique_rows(key: Key, paths: Sequence[Path]) -> tuple[list[dict[str, str]], int]:
    """Every answer once, checked, and how many were repeated unchanged."""
    items = {f.form: {i.item: i for i in f.items} for f in key.forms}
    known: dict[tuple[str, str, str], tuple[str, dict[str, str]]] = {}
    repeated = 0
    for where, row in (located for path in answer_files(paths) for located in _rows(key, items, path)):
        question = (row["participant"], row["item"], row["question"])
        earlier, same = known.setdefault(question, (where, row))
        if same != row:
            raise ReaudioError(
                f"{where} and {earlier} are different answers of {question[0]!r} to one question: keep one of the files, "
                "or rename one participant if they are two people."
            )
        repeated += same is not row
    return [row for _, row in known.values()], repeated


def _rows(key: Key, items: dict[str, dict[str, Item]], path: Path) -> list[tuple[str, dict[str, str]]]:
    """(file and row, values) of a file, checked."""
    table = read_table(path, COLUMNS, "the answers of a listening test", option="", delimiter=None)
    found: list[tuple[str, dict[str, str]]] = []
    for number, values in zip(table.rows.index, table.rows[list(COLUMNS)].to_numpy().tolist(), strict=True):
        row = {column: name_key(value) for column, value in zip(COLUMNS, values, strict=True)}
        problem = _problem(key, items, row)
        if problem is not None:
            table.fault(number, problem)
        found.append((f"{path}, {table.place(number)}", row))
    table.finish()
    return found


def _problem(key: Key, items: dict[str, dict[str, Item]], row: dict[str, str]) -> str | None:
    """What is wrong with a row, a part of a sentence."""
    if row["schema"] != str(ANSWER_SCHEMA):
        return f"schema version {shown(row['schema'])}, while this version reads {ANSWER_SCHEMA}"
    if row["test_id"] != key.test_id:
        return f"belongs to the test {shown(row['test_id'])}, not to {key.test_id!r}: leave the file out"
    if not 0 < len(row["participant"]) <= MAX_NAME:
        return f"names no participant (1 to {MAX_NAME} characters)"
    if row["form"] not in items:
        return f"names the form {shown(row['form'])}, which this test does not have"
    if row["item"] not in items[row["form"]]:
        return f"names the item {shown(row['item'])}, which form {row['form']} does not have"
    if row["question"] not in QUESTIONS:
        return f"answers the question {shown(row['question'])}; known are {', '.join(QUESTIONS)}"
    if row["answer"] and not _in_range(key, row["answer"]):
        wanted = f"{FIRST}, {SECOND} or {NEITHER}" if key.design == "pairs" else f"a whole number from 1 to {key.scale}"
        return f"has the answer {shown(row['answer'])}; it must be {wanted}"
    bad = next((column for column in ("played", "seconds") if not _is_number(row[column])), None)
    return None if bad is None else f"has {shown(row[bad])} for {bad}; it must be a number, 0 or more"


def _in_range(key: Key, answer: str) -> bool:
    if key.design == "pairs":
        return answer in (FIRST, SECOND, NEITHER)
    return answer.isascii() and answer.isdigit() and len(answer) <= 3 and 1 <= int(answer) <= key.scale


def _is_number(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value >= 0
