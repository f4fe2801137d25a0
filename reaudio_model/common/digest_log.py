"""Digests of files, in a text file that grows as they are finished.

The format is that of ``sha256sum``: a line ``<sha256>  <name>`` for each file. A line that a killed process did not finish is passed
over; of two lines for a name the last one holds.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from reaudio_model.common.digests import altered_files
from reaudio_model.common.files import atomic_write, explain_write_error

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class DigestLog:
    """The digests of some files of a folder.

    Args:
        path: the text file, in the folder of the files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, str]:
        """Name -> SHA-256 (hex); empty where there is no such file, or none that can be read."""
        try:
            text = self.path.read_bytes().decode("utf-8", "surrogateescape")
        except OSError:
            return {}
        # The last piece is empty, or a line that was cut off.
        lines = (_LINE.fullmatch(line) for line in text.split("\n")[:-1])
        return {match[2]: match[1] for match in lines if match}

    def whole(self, names: Iterable[str]) -> set[str]:
        """Those of the files that are what was written."""
        known = self.read()
        wanted = {name: known[name] for name in names if name in known}
        return wanted.keys() - set(altered_files(self.path.parent, wanted))

    def write(self, name: str, data: bytes) -> None:
        """Write a file atomically and note its digest.

        Raises:
            ReaudioError: not writable, or the disk is full; the file then does not count as written.
        """
        atomic_write(self.path.parent / name, data)
        self.add({name: hashlib.sha256(data).hexdigest()})

    def add(self, digests: dict[str, str]) -> None:
        """Append digests. Several processes and threads may do so at once.

        Raises:
            ReaudioError: not writable.
        """
        lines = "".join(f"{sha}  {name}\n" for name, sha in digests.items()).encode("utf-8", "surrogateescape")
        try:
            with self.path.open("ab", buffering=0) as file:
                if file.tell() and not _ends_with_newline(self.path):
                    lines = b"\n" + lines
                file.write(lines)
        except OSError as error:
            raise explain_write_error(error, self.path) from error


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
