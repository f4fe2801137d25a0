"""Answer files of participants, read and checked against the key."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.evaluations.listening.records import FIRST, NEITHER, QUESTIONS, SECOND, Item, Key
from reaudio_eval.frames.listening import ANSWERS
from reaudio_eval.reports.text import count
from reaudio_model.common.errors import ReaudioError

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
            item, or no answer at all; the file and line are named.
    """
    given, repeated = _unique_rows(key, paths)
    rows: list[tuple[str, str, str, str, str, float, float]] = []
    unplayed = 0
    for where, row in given:
        played, seconds = _number(row, "played", where), _number(row, "seconds", where)
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


def _unique_rows(key: Key, paths: Sequence[Path]) -> tuple[list[tuple[str, dict[str, str]]], int]:
    """(file and line, row) of every answer once, checked, and how many were repeated unchanged."""
    items = {f.form: {i.item: i for i in f.items} for f in key.forms}
    known: dict[tuple[str, str, str], tuple[str, dict[str, str]]] = {}
    repeated = 0
    for where, row in (located for path in answer_files(paths) for located in _rows(path)):
        _check_row(key, items, where, row)
        question = (row["participant"], row["item"], row["question"])
        earlier, same = known.setdefault(question, (where, row))
        if same != row:
            raise ReaudioError(
                f"{where} and {earlier} are different answers of {question[0]!r} to one question: keep one of the files, "
                "or rename one participant if they are two people."
            )
        repeated += same is not row
    return list(known.values()), repeated


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(file and line, row) of a file with the right columns."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReaudioError(f"{path} cannot be read as UTF-8 text: give the CSV files as the page saved them.") from error
    head = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter=";" if ";" in head else ",")
    missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
    if missing:
        raise ReaudioError(f"{path} is not an answer file of a listening test: it has no column {', '.join(missing)}.")
    for row in reader:
        yield f"{path}, line {reader.line_num}", {c: (row[c] or "").strip() for c in COLUMNS}


def _check_row(key: Key, items: dict[str, dict[str, Item]], where: str, row: dict[str, str]) -> None:
    if row["schema"] != str(ANSWER_SCHEMA):
        raise ReaudioError(f"{where} has schema version {row['schema']!r}; this version reads {ANSWER_SCHEMA}.")
    if row["test_id"] != key.test_id:
        raise ReaudioError(f"{where} belongs to the test {row['test_id']!r}, not to {key.test_id!r}: leave the file out.")
    if not 0 < len(row["participant"]) <= MAX_NAME:
        raise ReaudioError(f"{where} names no participant (1 to {MAX_NAME} characters).")
    if row["form"] not in items:
        raise ReaudioError(f"{where} names the form {row['form']!r}, which this test does not have.")
    if row["item"] not in items[row["form"]]:
        raise ReaudioError(f"{where} names the item {row['item']!r}, which form {row['form']} does not have.")
    if row["question"] not in QUESTIONS:
        raise ReaudioError(f"{where} answers the question {row['question']!r}; known are {', '.join(QUESTIONS)}.")
    if row["answer"] and not _in_range(key, row["answer"]):
        wanted = f"{FIRST}, {SECOND} or {NEITHER}" if key.design == "pairs" else f"a whole number from 1 to {key.scale}"
        raise ReaudioError(f"{where} has the answer {row['answer']!r}; it must be {wanted}.")


def _in_range(key: Key, answer: str) -> bool:
    if key.design == "pairs":
        return answer in (FIRST, SECOND, NEITHER)
    return answer.isascii() and answer.isdigit() and len(answer) <= 3 and 1 <= int(answer) <= key.scale


def _number(row: dict[str, str], column: str, where: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ReaudioError(f"{where} has {row[column]!r} for {column}; it must be a number, 0 or more.")
    return value
