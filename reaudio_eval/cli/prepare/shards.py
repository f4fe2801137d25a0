"""Audio in Arrow and Parquet, as Hugging Face datasets keep it.

A dataset that was saved is a folder of ``data-*.arrow`` (the stream format of Arrow); one of the hub has Parquet shards. Their column
``audio`` holds the bytes of a file, or its path, or both; further columns may name the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reaudio_model.common.audiocaps import whole_seconds
from reaudio_model.common.errors import ReaudioError

SHARD_SUFFIXES = (".arrow", ".parquet")
AUDIO_COLUMN = "audio"
_FILE_NAMES = ("file_name", "filename", "file", "id")  # in place of a path
_NAMES = ("youtube_id", "start_time", "audiocap_id", *_FILE_NAMES)
_BATCH = 64  # rows of Parquet in memory
_MAGIC: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda head: head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE", ".wav"),
    (lambda head: head[:4] == b"fLaC", ".flac"),
    (lambda head: head[:4] == b"OggS", ".ogg"),
    (lambda head: head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"), ".mp3"),
    (lambda head: head[4:8] == b"ftyp", ".m4a"),
)


def row_names(shard: Path) -> list[str]:
    """The name of the clip of each row: youtube_id (and start), audiocap_id, or the stem of a file name; "" where it has none.

    A shard without a column ``audio`` has no rows.

    Raises:
        ReaudioError: it cannot be read.
    """
    with _reading(shard):
        schema = _schema(shard)
        if AUDIO_COLUMN not in schema.names:
            return []
        wanted = [column for column in _NAMES if column in schema.names]
        wanted += _path_columns(schema.field(AUDIO_COLUMN).type)
        rows = [row for batch in _batches(shard, wanted) for row in _without_bytes(batch).to_pylist()] if wanted else []
    return [_row_name(row) for row in rows]


def _path_columns(audio: pa.DataType) -> list[str]:
    """The column of Parquet with the paths of the audio; [] where there are none."""
    if not pa.types.is_struct(audio):
        return [AUDIO_COLUMN]
    return [f"{AUDIO_COLUMN}.path"] * any(audio.field(i).name == "path" for i in range(audio.num_fields))


def _without_bytes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the paths of its audio alone."""
    place = batch.schema.get_field_index(AUDIO_COLUMN)
    if place < 0 or not pa.types.is_struct(batch.column(place).type):
        return batch
    column = batch.column(place)
    names = [column.type.field(i).name for i in range(column.type.num_fields)]
    paths = column.field(names.index("path")) if "path" in names else pa.nulls(len(column), pa.string())
    return batch.set_column(place, AUDIO_COLUMN, paths)


def _row_name(row: Mapping[str, Any]) -> str:
    """See :func:`row_names`."""
    video, start, caption, path = (row.get(c) for c in ("youtube_id", "start_time", "audiocap_id", AUDIO_COLUMN))
    path = path or next((row[c] for c in _FILE_NAMES if row.get(c)), None)
    if video:
        try:
            return f"{video}_{whole_seconds(str(start))}" if start is not None else str(video)
        except ReaudioError:
            return str(video)
    if caption is not None:
        return str(caption)
    return Path(str(path)).stem if path else ""


def audio_of_rows(shard: Path, rows: set[int]) -> Iterator[tuple[int, bytes | Path | None]]:
    """Number of a row -> the bytes of its file, or where it lies, or None for neither; in the order of the rows.

    Raises:
        ReaudioError: the shard cannot be read.
    """
    first = 0
    with _reading(shard):
        for batch in _batches(shard, [AUDIO_COLUMN]):
            wanted = sorted(row - first for row in rows if first <= row < first + len(batch))
            for row in wanted:
                yield first + row, _audio(batch.column(0)[row].as_py(), shard)
            first += len(batch)


def _audio(cell: Any, shard: Path) -> bytes | Path | None:
    content = cell.get("bytes") if isinstance(cell, dict) else None
    path = cell.get("path") if isinstance(cell, dict) else cell
    if isinstance(content, bytes) and content:
        return content
    return shard.parent / path if isinstance(path, str) and path else None


def suffix_of(content: bytes) -> str:
    """The suffix of an audio file by its first bytes; ".wav" for what is none of the formats that are known."""
    return next((suffix for is_format, suffix in _MAGIC if is_format(content[:12])), ".wav")


def _schema(shard: Path) -> pa.Schema:
    if shard.suffix.lower() == ".parquet":
        return pq.read_schema(shard)
    with pa.memory_map(str(shard)) as file, _open_arrow(file) as reader:
        return reader.schema


def _batches(shard: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows with some columns; "audio.path" is one of Parquet alone, and the whole column of Arrow, which is not read into memory."""
    if shard.suffix.lower() == ".parquet":
        with pq.ParquetFile(shard) as file:
            yield from file.iter_batches(_BATCH, columns=columns)
        return
    whole = list(dict.fromkeys(column.partition(".")[0] for column in columns))
    with pa.memory_map(str(shard)) as mapped, _open_arrow(mapped) as reader:
        for batch in _arrow_batches(reader):
            yield batch.select(whole)


def _open_arrow(file: Any) -> Any:
    """Arrow's stream format, which datasets are saved in, or its file format."""
    try:
        return pa.ipc.open_stream(file)
    except pa.ArrowInvalid:
        file.seek(0)
        return pa.ipc.open_file(file)


def _arrow_batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.RecordBatchFileReader):
        yield from (reader.get_batch(i) for i in range(reader.num_record_batches))
    else:
        yield from reader


@contextmanager
def _reading(shard: Path) -> Iterator[None]:
    """Whatever Arrow finds wrong becomes one sentence."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ReaudioError(f"{shard} cannot be read ({reason}): fetch it again, or move it out of the folder.") from error
