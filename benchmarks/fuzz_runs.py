"""Damaged run directories, read as reports and comparisons read them.

    python benchmarks/fuzz_runs.py [--inputs 500] [--seed N]

Every input is a run directory changed by its seed. In the groups "bytes", "rows" and "values" the digests are those of the original, so
the run must be refused. In "sealed" the manifest or a table was changed and the digests made to fit, and "version 1" has none: such a run
may be read, and its scores are then analysed. A fault is a crash, a hang, a message without the folder or of several lines, or an
altered run that is accepted.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fuzzing import Limits, Outcome, main

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from run_folders import as_version_1, make_dataset, reseal, write

from reaudio_eval.evaluations.longtail.rerender import analyse_runs
from reaudio_eval.runs.directory import read_run
from reaudio_eval.runs.find import RunSet
from reaudio_eval.runs.manifest import MANIFEST
from reaudio_model.common.errors import ReaudioError

GROUPS = ("bytes", "rows", "values", "sealed", "version 1")
READ, REFUSED = "read", "refused"
ACCEPTED, UNCLEAR = "altered and accepted", "unclear message"
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 1e300, -1e300, "", "x" * 10_000, "\x00", "\ud800", [], [1], {}, {"a": 1}, [[[[]]]], "null", 0.5,
)  # fmt: skip
Rng = np.random.Generator


@cache
def original() -> Path:
    """The run that is changed."""
    return write(Path(tempfile.mkdtemp(prefix="fuzz-run-")), "a", 0.4, dataset=make_dataset(24))


def flip(data: bytearray, rng: Rng) -> bytes:
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    return bytes(data)


def cut(data: bytearray, rng: Rng) -> bytes:
    return bytes(data[: rng.integers(len(data))])


def insert(data: bytearray, rng: Rng) -> bytes:
    place = int(rng.integers(len(data)))
    return bytes(data[:place]) + rng.bytes(int(rng.integers(1, 100))) + bytes(data[place:])


def noise(data: bytearray, rng: Rng) -> bytes:
    return rng.bytes(len(data))


def deep(_data: bytearray, rng: Rng) -> bytes:
    return b"[" * int(rng.integers(1_000, 300_000))


def change_bytes(run: Path, rng: Rng) -> None:
    """One file with other bytes, gone, or something else than a file."""
    path = run / str(rng.choice(sorted(p.name for p in run.iterdir())))
    kind = int(rng.integers(8))
    if kind < 5:
        path.write_bytes((flip, cut, insert, noise, deep)[kind](bytearray(path.read_bytes()), rng))
        return
    path.unlink()
    if kind == 6:
        path.mkdir()
    elif kind == 7:
        os.mkfifo(path)


def dropped(frame: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    return frame.drop(frame.index[rng.integers(len(frame))]) if len(frame) else frame.assign(more=1)


def doubled(frame: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    return pd.concat([frame, frame.sample(1, random_state=int(rng.integers(1000)))]) if len(frame) else frame.assign(more=1)


def huge(frame: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    numbers = [c for c in frame.columns if frame[c].dtype.kind == "f"]
    value = float(rng.choice([1e300, -1e300, np.inf, -np.inf, np.nan, 1e-300]))
    return frame.assign(**dict.fromkeys(numbers or ["more"], value))


def other_columns(frame: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    name = str(rng.choice(list(frame.columns)))
    return frame.drop(columns=name) if rng.random() < 0.5 else frame.rename(columns={name: "x"})


def other_kinds(frame: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    values: list[Any] = [1, "text", 0.5, None, True, b"\xff", [1, 2], -(2**60)]
    name = str(rng.choice(list(frame.columns)))
    return frame.assign(**{name: [values[rng.integers(len(values))]] * len(frame)})


def change_rows(run: Path, rng: Rng) -> None:
    """A table with other rows, values or columns."""
    path = run / str(rng.choice(sorted(p.name for p in run.glob("*.parquet"))))
    changes: tuple[Callable[[pd.DataFrame, Rng], pd.DataFrame], ...] = (dropped, doubled, huge, other_columns, other_kinds)
    before = path.read_bytes()
    changes[rng.integers(len(changes))](pd.read_parquet(path), rng).to_parquet(path, index=False)
    if path.read_bytes() == before:
        path.unlink()


def mutate(value: Any, rng: Rng) -> Any:
    """A JSON value with one place changed or left out."""
    places: list[tuple[Any, Any]] = []

    def walk(holder: Any) -> None:
        for key in holder if isinstance(holder, dict) else range(len(holder)):
            places.append((holder, key))
            if isinstance(holder[key], dict | list):
                walk(holder[key])

    walk(value)
    if not places:
        return ODD[rng.integers(len(ODD))]
    holder, key = places[rng.integers(len(places))]
    odd = ODD[rng.integers(len(ODD))]
    if rng.random() < 0.2:
        del holder[key]
    else:
        holder[key] = odd if holder[key] != odd or type(holder[key]) is not type(odd) else "other"
    return value


def change_values(run: Path, rng: Rng) -> None:
    """A JSON file with another value."""
    path = run / str(rng.choice([MANIFEST, MANIFEST, "audit.json", "metrics.json"]))
    path.write_text(json.dumps(mutate(json.loads(path.read_bytes()), rng)))


def change_sealed(run: Path, rng: Rng) -> None:
    """Another value of the manifest or a table, with digests that fit."""
    manifest = json.loads((run / MANIFEST).read_bytes())
    if rng.random() < 0.5:
        change_rows(run, rng)
    else:
        manifest = mutate(manifest, rng)
    try:
        reseal(run, manifest)
    except (ValueError, UnicodeError):  # not JSON
        (run / MANIFEST).write_text(json.dumps(manifest))


def change_old(run: Path, rng: Rng) -> None:
    """A run without digests, changed in any way."""
    as_version_1(run)
    changes = (change_bytes, change_rows, change_values)
    changes[rng.integers(len(changes))](run, rng)


def check(group: str, seed: int, folder: Path) -> Outcome:
    """Change a run and read it."""
    run, rng = Path(shutil.copytree(original(), folder / "run")), np.random.default_rng(seed)
    change: dict[str, Callable[[Path, Rng], None]] = {
        "bytes": change_bytes, "rows": change_rows, "values": change_values, "sealed": change_sealed, "version 1": change_old,
    }  # fmt: skip
    change[group](run, rng)
    try:
        read_run(run)
        if group in ("bytes", "rows", "values"):
            return Outcome(ACCEPTED)
        analyse_runs(RunSet.read([folder]).for_report().runs, bundled=False)
    except ReaudioError as error:
        text = str(error)
        if str(folder) not in text or "\n" in text or len(text) > 2000:
            return Outcome(UNCLEAR, text[:500])
        return Outcome(REFUSED, text)
    return Outcome(READ)


if __name__ == "__main__":
    if "--inputs" not in sys.argv:
        sys.argv += ["--inputs", "500"]
    sys.exit(main(check, GROUPS, (READ, REFUSED), (ACCEPTED, UNCLEAR), Limits(seconds=60)))
