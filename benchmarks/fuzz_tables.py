"""Damaged tables, read as the evaluation and the index read them.

    python benchmarks/fuzz_tables.py [--inputs 2000] [--seed N]

Every input is a small table of one kind, changed by its seed: bytes flipped, inserted, left out or cut off, rows doubled or joined, cells
replaced by values that break readers. It is read twice, strictly and with faulty rows left out. It may be read, be read without rows that
are named, or be refused (ReaudioError, one line). A fault is a crash, a hang, or a row that is neither in the result nor named; the rows of
a file are counted by a parser of its own here.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzzing import Limits, Outcome, main

from reaudio_eval.prompts.datasets._audiocaps_manifest import read_manifest
from reaudio_eval.prompts.datasets._audiocaps_tables import read_tables
from reaudio_eval.prompts.datasets._tables import LabelSet, read_captions
from reaudio_eval.prompts.datasets.folder import read_counts
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.yaml_files import read_yaml_file
from reaudio_model.retrieval.pairs import TableOptions, read_prompts

LABELS = LabelSet(("/m/1", "/m/2", "/m/3"), {"/m/1": "Speech", "/m/2": "Dog", "/m/3": "Siren, loud"})
CLASSES = 'index,mid,display_name\n0,/m/1,Speech\n1,/m/2,Dog\n2,/m/3,"Siren, loud"\n'
CAPTIONS = [
    '"a dog, barking"',
    "rain",
    '"she says ""hello"""',
    "caf\u00e9 noise",
    "two\u2028lines",
    '"one\nbreak"',
    "x" * 200,
]
IDS = [f"clip-{i}" for i in range(8)]
HOSTILE = [
    b"inf", b"nan", b"-1", b"9" * 5000, b"1e999", b"", b"\0", b"\xff", b'"', b'""', b"a,b", b"\r", b"\n", b" Dog ", b"dog", b"../x",
    "cafe\u0301".encode(), b"\xed\xa0\x80", b"\xef\xbb\xbf", b"a" * 140_000, b"=1+1", b"#", b";", b"\t", b"NULL", b"/m/9", b"\x1a",
]  # fmt: skip


def rows(line: Callable[[int, str], str], header: str) -> bytes:
    return "\n".join([header, *(line(i, caption) for i, caption in enumerate(CAPTIONS)), ""]).encode()


TEST = rows(lambda i, c: f"{i + 1},vid{i % 4},{10 * (i % 4)}.000,{c}", "audiocap_id,youtube_id,start_time,caption")
ORIGINALS: dict[str, tuple[str, bytes]] = {
    "captions": ("captions.csv", rows(lambda i, c: f"{IDS[i]},{c},Dog;/m/1", "clip_id,caption,labels")),
    "captions by file": ("captions.csv", rows(lambda i, c: f"a/{IDS[i]}.wav,{c}", "file,caption")),
    "counts": ("counts.csv", b"label,n_train,name,n_pool\n" + b"".join(b"l%d,%d,L %d,0\n" % (i, i, i) for i in range(8))),
    "AudioCaps": ("audiocaps_labelled.csv", rows(
        lambda i, c: f"test,{i + 1},vid{i % 4},{10 * (i % 4)},{c},/m/{1 + i % 2}", "split,audiocap_id,youtube_id,start_time,caption,labels"
    )),
    "AudioCaps' test.csv": ("test.csv", TEST),
    "segment list": ("unbalanced_train_segments.csv", b"# AudioSet\n# YTID\n" + b"".join(
        b'vid%d, %d.000, 40.000, "/m/1,/m/2"\n' % (i, 10 * i) for i in range(4)
    )),
    "manifest": ("manifest.csv", rows(lambda i, c: f"{IDS[i]},{c},{i + 1},,,exact", "clip_id,caption,audiocap_id,youtube_id,labels,match")),
    "prompts of the model": ("prompts.csv", rows(lambda i, c: f"{IDS[i]},{c},vid{i}", "clip_id,caption,youtube_id")),
    "configuration": ("run.yaml", b"dataset: audiocaps\nlimit: 3\nclips: {A: a, B: b}\nguidance: 1e-1\nmodels: [x, &y z, *y]\n"),
}  # fmt: skip
PACKED: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
GROUPS = [*ORIGINALS, *(f"captions{suffix}" for suffix in (*PACKED, ".zip"))]


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """The file after one to three changes."""
    for _ in range(int(rng.integers(1, 4))):
        kind = rng.choice(["flip", "insert", "leave out", "cut", "cell", "cell", "cell", "double", "join", "bytes"])
        at = int(rng.integers(len(data) + 1))
        lines = data.splitlines(keepends=True) or [b""]
        line = int(rng.integers(len(lines)))
        hostile = HOSTILE[int(rng.integers(len(HOSTILE)))]
        if kind == "flip" and data:
            at = at % len(data)
            data = data[:at] + bytes([data[at] ^ int(rng.integers(1, 256))]) + data[at + 1 :]
        elif kind == "insert":
            data = data[:at] + hostile + data[at:]
        elif kind == "bytes":
            data = data[:at] + rng.bytes(int(rng.integers(1, 50))) + data[at:]
        elif kind == "leave out":
            data = data[:at] + data[at + int(rng.integers(1, 60)) :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "cell":
            cells = lines[line].rstrip(b"\n").split(b",")
            cells[int(rng.integers(len(cells)))] = hostile
            data = b"".join([*lines[:line], b",".join(cells) + b"\n", *lines[line + 1 :]])
        elif kind == "double":
            data = b"".join([*lines[: line + 1], *lines[line:]])
        else:
            data += data
    return data


def count_rows(data: bytes, comments: bool) -> int | None:
    """Records with a value, without the header (or the comments above); None where the quotes make several counts possible.

    A parser of its own: a quote opens at the start of a value, and closes before a comma or a line break.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    text = re.sub("\r\n?", "\n", text)
    while comments and text.startswith("#"):
        text = text.partition("\n")[2]
    n, blank, start, quoted, i = 0, True, True, False, 0
    while i < len(text):
        char = text[i]
        if quoted:
            if char == '"' and text[i + 1 : i + 2] == '"':
                i += 1
            elif char == '"':
                quoted = False
                if text[i + 1 : i + 2] not in (",", "\n", ""):
                    return None
            elif not char.isspace():
                blank = False
        elif char == '"' and start:
            quoted = True
        elif char == "\n":
            n, blank = n + (not blank), True
        elif char != "," and not char.isspace():
            blank = False
        if char == '"' and not start:
            blank = False
        start = not quoted and (char in ",\n" or (comments and start and char == " "))
        i += 1
    if quoted:
        return None
    return n + (not blank) - (0 if comments else 1)


def read(group: str, path: Path, skip: bool) -> tuple[int, tuple[str, ...]] | None:
    """Rows in the result, and notes on those left out; None where a table has no row of its own in the result."""
    name = group.partition(".")[0]
    if name in ("captions", "captions by file"):
        found = read_captions(path, LABELS, skip=skip)
        return len(found.prompts), found.notes
    if name == "counts":
        counts = read_counts(path, skip=skip)
        return len(counts.train), counts.notes
    if name == "prompts of the model":
        prompts = read_prompts(path, TableOptions(skip))
        return len(prompts.pairs), prompts.notes
    if name == "configuration":
        read_yaml_file(path, "the options")
        return None
    tables = read_tables(path.parent, skip=skip)
    if name == "manifest":
        manifest = read_manifest(tables, path, "test", skip=skip)
        return len(manifest.clips), tuple(note for note in manifest.notes if path.name in note)
    if group == "segment list":
        return None
    own = tables.captions[tables.captions["split"] == "test"] if path.name == "test.csv" else tables.captions
    return len(own), tuple(note for note in tables.notes if path.name in note)


def write(group: str, seed: int, folder: Path) -> tuple[Path, bytes]:
    """The input with the whole files that belong to it; the path, and the text of the table."""
    rng = np.random.default_rng(seed)
    name, original = ORIGINALS[group.partition(".")[0] if group.startswith("captions.") else group]
    suffix = group.removeprefix("captions") if group.startswith("captions.") else ""
    official = group in ("AudioCaps' test.csv", "segment list")
    if official or group in ("AudioCaps", "manifest"):
        (folder / "audioset_classes.csv").write_text(CLASSES, encoding="utf-8")
        (folder / "class_labels_indices.csv").write_text(CLASSES, encoding="utf-8")
    for other in ("train.csv", "val.csv", "test.csv") if official else ():
        (folder / other).write_bytes(TEST)
    whole = [ORIGINALS["segment list"]] if official else [ORIGINALS["AudioCaps"]] if group == "manifest" else []
    for other, content in whole:
        (folder / other).write_bytes(content)
    text = mutate(original, rng)
    path = folder / (name + suffix)
    if suffix == ".zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("captions.csv", text)
        packed = buffer.getvalue()
    else:
        packed = PACKED.get(suffix, bytes)(text)
    if suffix and rng.random() < 0.5:  # the archive itself is damaged
        packed, text = mutate(packed, rng), b""
    path.write_bytes(packed)
    return path, text


def check_message(message: str) -> None:
    assert message, "no message"
    assert "\n" not in message, f"more than a line: {message}"
    assert len(message) < 5_000, "an endless message"


def check(group: str, seed: int, folder: Path) -> Outcome:
    path, text = write(group, seed, folder)
    expected = count_rows(text, comments=group == "segment list") if text else None
    kinds = []
    for skip in (False, True):
        try:
            found = read(group, path, skip)
        except ReaudioError as error:
            check_message(str(error))
            kinds.append("refused")
            continue
        if found is None:
            kinds.append("read")
            continue
        n, notes = found
        left_out = sum(
            int(m.group(1).replace(",", "")) for note in notes if (m := re.search(r": ([\d,]+) of [\d,]+ rows", note))
        )
        assert skip or not left_out, "rows left out unasked"
        if expected is not None and n + left_out != expected:
            return Outcome("lost rows", f"{n} rows read and {left_out} named, of {expected} (skip={skip})")
        kinds.append("without rows" if left_out else "read")
    return Outcome(kinds[1] if kinds[0] == "refused" else kinds[0])


if __name__ == "__main__":
    sys.exit(main(check, GROUPS, ["read", "without rows", "refused"], ["lost rows"], Limits(seconds=20, memory=4 * 2**30)))
