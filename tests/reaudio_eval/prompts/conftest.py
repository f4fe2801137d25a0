"""AudioCaps tables of both kinds."""

from __future__ import annotations

from pathlib import Path

import pytest
from audiocaps_files import CLASSES, HEADER, LABELS, ROWS, line, write_joined


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    return write_joined(tmp_path / "joined")


@pytest.fixture
def official(tmp_path: Path) -> Path:
    root = tmp_path / "official"
    root.mkdir()
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
