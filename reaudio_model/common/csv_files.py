"""Reading CSV files record by record.

The only code that opens a table a user gives. Any failure is a :class:`ReaudioError` that names the file; a record that cannot be read is
returned with its fault, so that all faulty records of a file can be reported together.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple, cast

from reaudio_model.common.errors import ReaudioError

MAX_BYTES = 512 * 2**20  # of a table, compressed or not
MAX_RECORDS = 5_000_000
MAX_VALUE = 2**17  # characters
CHUNK = 2**20  # bytes checked at a time
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Record(NamedTuple):
    """One row of a file.

    Attributes:
        line: where it starts, from 1.
        cells: its values.
        fault: why it cannot be read, or "".
        doubtful: it stands in what may be a value of a row above whose quotes do not match.
    """

    line: int
    cells: list[str]
    fault: str = ""
    doubtful: bool = False


def read_bytes(path: Path, what: str) -> bytes:
    """The bytes of a file, decompressed where its name ends in .gz, .bz2, .xz or .zip.

    Args:
        path: the file.
        what: the content, for messages, e.g. "the captions".

    Raises:
        ReaudioError: no such file, a folder, no permission, more than ``MAX_BYTES``, or not compressed as its name says.
    """
    _check_file(path, what)
    suffix = path.suffix.lower()
    try:
        with _OPENERS.get(suffix, _open_plain)(path) as file:
            data = file.read(MAX_BYTES + 1)
    except (
        gzip.BadGzipFile,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise _not_compressed(path, suffix) from error
    except MemoryError as error:
        raise _too_large(path) from error
    except OSError as error:
        if suffix in _OPENERS and error.errno is None:  # bz2 says so
            raise _not_compressed(path, suffix) from error
        raise ReaudioError(f"{path} cannot be read: {_reason(error)}.") from error
    if len(data) > MAX_BYTES:
        raise _too_large(path)
    return data


def _check_file(path: Path, what: str) -> None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ReaudioError(f"{path} does not exist; {what} should be there.") from error
    except (OSError, ValueError) as error:
        raise ReaudioError(f"{path} cannot be read: {_reason(error)}.") from error
    if stat.S_ISDIR(found.st_mode):
        raise ReaudioError(f"{path} is a folder; {what} should be a file.")
    if not stat.S_ISREG(found.st_mode):
        raise ReaudioError(f"{path} is not a regular file: save {what} as a file.")
    if found.st_size > MAX_BYTES:
        raise _too_large(path)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _too_large(path: Path) -> ReaudioError:
    return ReaudioError(f"{path} has more than {MAX_BYTES // 2**20} MiB of text, the limit of a table: split it.")


def _not_compressed(path: Path, suffix: str) -> ReaudioError:
    return ReaudioError(
        f"{path} is not a readable {suffix} file of one table: unpack it, or, if it is plain text, rename it to end in .csv."
    )


def _open_plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def _open_gzip(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(path, "rb"))


def _open_zip(path: Path) -> IO[bytes]:
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if not name.endswith("/")]
        if len(members) != 1:
            raise zipfile.BadZipFile("not one file")
        return archive.open(members[0])


_OPENERS: Mapping[str, Callable[[Path], IO[bytes]]] = {
    ".gz": _open_gzip,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zip": _open_zip,
}


def read_text(path: Path, what: str) -> str:
    """The whole of a UTF-8 text file, without byte-order mark.

    Raises:
        ReaudioError: as :func:`read_bytes`; or not UTF-8.
    """
    try:
        return _without_mark(path, read_bytes(path, what)).decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ReaudioError(f"{path} is not UTF-8 in line {line}: save it as UTF-8.") from error


def _without_mark(path: Path, data: bytes) -> bytes:
    if data.startswith(UTF_16_MARKS):
        raise ReaudioError(f"{path} is UTF-16 text: save it as UTF-8.")
    return data.removeprefix(codecs.BOM_UTF8)


def read_records(
    path: Path, what: str, *, delimiter: str | None = ",", comment: str = "", skip_spaces: bool = False
) -> Iterator[Record]:
    """The records of a UTF-8 CSV file in order, the header included; records without any value are skipped.

    Args:
        path: may be compressed (:func:`read_bytes`).
        what: the content, for messages.
        delimiter: between values; None takes a semicolon where the first line has one, else a comma.
        comment: lines at the top that start with it are skipped.
        skip_spaces: ignore spaces after a delimiter.

    Raises:
        ReaudioError: see :func:`read_bytes`; or more than ``MAX_RECORDS`` records.
    """
    data = _without_mark(path, read_bytes(path, what))
    lines = _Lines(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="surrogateescape", newline=""), comment)
    if delimiter is None:
        delimiter = ";" if b";" in data.partition(b"\n")[0] else ","
    suspicious = b"\0" in data or not _is_utf8(data)
    for n, record in enumerate(_parse(lines, delimiter, skip_spaces)):
        if n > MAX_RECORDS:
            raise ReaudioError(f"{path} has more than {MAX_RECORDS:,} rows, the limit of a table: split it.")
        fault = record.fault or _fault(record.cells, suspicious)
        if fault or any(cell and not cell.isspace() for cell in record.cells):
            yield record._replace(fault=fault)


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), CHUNK):
            decoder.decode(data[start : start + CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _fault(cells: list[str], suspicious: bool) -> str:
    """What cannot be in a table; bytes are looked at only where the file has ``suspicious`` ones."""
    if any(len(cell) > MAX_VALUE for cell in cells):
        return f"a value has more than {MAX_VALUE:,} characters; a quote may be missing"
    if not suspicious:
        return ""
    text = "".join(cells)
    if "\0" in text:
        return "there is a NUL byte"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "not UTF-8 (save the file as UTF-8)"
    return ""


class _Lines(Iterator[str]):
    """Lines of a file; those of the record being read are kept, to start again after its first one.

    Attributes:
        record: the lines taken since the last :meth:`begin`.
        line: number of the first of them, from 1.
    """

    def __init__(self, text: io.TextIOWrapper, comment: str) -> None:
        self.record: list[str] = []
        self.line = 1
        self._text = text
        self._again: list[str] = []
        while comment and (first := text.readline()):
            if not first.startswith(comment):
                self._again = [first]
                break
            self.line += 1

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._text)
        self.record.append(line)
        return line

    def begin(self, n_used: int | None = None) -> None:
        """The next record starts after the first ``n_used`` lines taken; None: after all."""
        used = len(self.record) if n_used is None else n_used
        self._again += reversed(self.record[used:])
        self.line += used
        self.record = []


def _parse(lines: _Lines, delimiter: str, skip_spaces: bool) -> Iterator[Record]:
    """Records, and single lines that do not belong to one."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_BYTES))
    swallowed = 0  # the last line that was read as a part of a record whose quotes do not match
    while True:
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=skip_spaces, strict=True)
        try:
            for cells in reader:
                yield Record(lines.line, cells, doubtful=lines.line <= swallowed)
                lines.begin()
            return
        except csv.Error:
            swallowed = lines.line + len(lines.record) - 1
            yield Record(lines.line, [lines.record[0].rstrip("\r\n")], "the quotes do not match")
            lines.begin(1)
