"""Cache entries in an object store that machines share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reaudio_model.common.errors import ReaudioError

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}  # that fsspec needs for a protocol


@dataclass(frozen=True)
class ObjectStore:
    """A folder of a file system of fsspec.

    Attributes:
        url: "s3://bucket/folder", "gs://...", "file:///shared/folder", "memory://..." ...
    """

    url: str

    def check(self) -> None:
        """Refuse a URL that cannot be used, before any work; nothing is read.

        Raises:
            ReaudioError: no protocol, an unknown one, or one whose package is not installed.
        """
        from fsspec import get_filesystem_class

        protocol, separator, _ = self.url.partition("://")
        if not separator:
            raise ReaudioError(
                f"--feature-store {self.url} is no URL: give file:///FOLDER, s3://BUCKET/FOLDER or gs://BUCKET/FOLDER."
            )
        try:
            get_filesystem_class(protocol)
        except ImportError as error:
            remedy = f"pip install {PACKAGES[protocol]}" if protocol in PACKAGES else str(error)
            raise ReaudioError(f"--feature-store {self.url} needs a package that is not installed: {remedy}.") from error
        except ValueError as error:
            raise ReaudioError(
                f"--feature-store {self.url}: {protocol} is no protocol of fsspec; use file, s3 or gs."
            ) from error

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """name -> content of those that are there.

        Raises:
            OSError: the store cannot be reached.
        """
        system, root = self._opened()
        paths = {f"{root}/{name}": name for name in names}
        found: Mapping[str, bytes] = system.cat(list(paths), on_error="omit") if paths else {}
        return {paths[path]: content for path, content in found.items() if path in paths}

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write entries by name; two machines that write the same one write the same content.

        Raises:
            OSError: the store cannot be reached, or refuses.
        """
        system, root = self._opened()
        for folder in sorted({f"{root}/{name}".rpartition("/")[0] for name in contents}):
            system.makedirs(folder, exist_ok=True)
        system.pipe({f"{root}/{name}": content for name, content in contents.items()})

    def _opened(self) -> tuple[Any, str]:
        """The file system, and the path of the folder in it."""
        from fsspec.core import url_to_fs

        system, root = url_to_fs(self.url)
        return system, str(root).rstrip("/")
