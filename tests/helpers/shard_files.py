"""Audio as bytes, and in Arrow and Parquet as the library datasets writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reaudio_model.common.audio import wav_bytes

RATE = 2_000
Rows = Sequence[dict[str, Any]]


def wav(seed: int, seconds: float = 10.0) -> bytes:
    """Noise as a WAV file."""
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * RATE))
    return wav_bytes(samples.astype(np.float32), RATE)


def write_file(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_arrow(path: Path, rows: Rows, *, batch: int = 2) -> Path:
    """As ``Dataset.save_to_disk``: Arrow's stream format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        for each in table.to_batches(max_chunksize=batch):
            writer.write_batch(each)
    return path


def write_parquet(path: Path, rows: Rows) -> Path:
    """As the shards of the hub."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path
