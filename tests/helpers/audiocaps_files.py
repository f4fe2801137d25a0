"""Small tables of AudioCaps, joined and as published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

CLASSES = 'index,mid,display_name\n0,/m/1,Speech\n1,/m/2,"Male speech, man speaking"\n2,/m/3,Dog\n3,/m/4,Yodeling\n'
# Two captions for each test clip, not in blocks; the last two clips share a video.
TEST = [(11, "vidA", 30, "first A"), (12, "vidB", 0, "first B"), (13, "vidA", 30, "second A"), (14, "vidB", 0, "second B")]
TEST += [
    (15, "vidC", 10, "first C"),
    (16, "vidC", 20, "first D"),
    (17, "vidC", 20, "second D"),
    (18, "vidC", 10, "second C"),
]
TRAIN = [(1, "trn1", 30, "a man, talking"), (2, "trn2", 40, "dogs"), (3, "trn3", 50, "more dogs")]
LABELS = {
    "trn1": "/m/1;/m/2",
    "trn2": "/m/3",
    "trn3": "/m/3;/m/1",
    "val1": "/m/3",
    "vidA": "/m/1",
    "vidB": "/m/4;/m/3",
    "vidC": "/m/2",
}
HEADER = "audiocap_id,youtube_id,start_time,caption"
ROWS = {"train": TRAIN, "val": [(5, "val1", 0, "a val dog")], "test": TEST}


def line(row: tuple[int, str, int, str]) -> str:
    return f'{row[0]},{row[1]},{row[2]},"{row[3]}"'


def write_joined(root: Path) -> Path:
    """The joined tables in a folder, which is made; returns it."""
    root.mkdir(exist_ok=True)
    rows = [f"{split},{line(row)},{LABELS[row[1]]}" for split, own in ROWS.items() for row in own]
    (root / "audiocaps_labelled.csv").write_text("\n".join([f"split,{HEADER},labels", *rows]), encoding="utf-8")
    (root / "audioset_classes.csv").write_text(CLASSES, encoding="utf-8")
    return root


def write_official(root: Path) -> Path:
    """The tables as AudioCaps and AudioSet publish them, in a folder, which is made; returns it."""
    root.mkdir(exist_ok=True)
    for split, rows in ROWS.items():
        (root / f"{split}.csv").write_text("\n".join([HEADER, *map(line, rows)]), encoding="utf-8")
    (root / "class_labels_indices.csv").write_text(CLASSES, encoding="utf-8")
    clips = sorted({(row[1], row[2]) for rows in ROWS.values() for row in rows})
    segments = [f'{v}, {s}.000, {s + 10}.000, "{LABELS[v].replace(";", ",")}"' for v, s in clips]
    segments += ['vidA, 90.000, 100.000, "/m/4"', '-other#1, 0.000, 10.000, "/m/1"']
    head = [
        "# Segments csv created Sun Mar  5 10:54:31 2017",
        "# num_ytids=9",
        "# YTID, start_seconds, end_seconds, positive_labels",
    ]
    (root / "unbalanced_train_segments.csv").write_text("\n".join([*head, *segments]), encoding="utf-8")
    return root


def write_audio(folder: Path, *stems: str) -> Path:
    folder.mkdir(exist_ok=True)
    for stem in stems:
        soundfile.write(folder / f"{stem}.wav", np.zeros(10), 8000)
    return folder


def write_manifest(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
