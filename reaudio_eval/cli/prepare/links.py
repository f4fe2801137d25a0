"""Links to the recordings of a data root."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import explain_write_error, make_folder, temporary_path


def link_all(folder: Path, targets: Mapping[str, Path], root: Path) -> None:
    """Make ``folder`` hold exactly these links; what is right already is left as it is.

    Args:
        folder: of the links.
        targets: name of a link -> the file.
        root: links to files below it are relative, so that it may be moved.

    Raises:
        ReaudioError: a file in the place of a link, or a folder that cannot be written.
    """
    make_folder(folder)
    for name, target in targets.items():
        _link(folder / name, target, root)
    try:
        for path in folder.iterdir():
            if path.is_symlink() and path.name not in targets and not path.name.startswith("."):
                path.unlink()
    except OSError as error:
        raise explain_write_error(error, folder) from error


def _link(link: Path, target: Path, root: Path) -> None:
    whole = target.absolute()
    inside = whole.is_relative_to(root.absolute())
    text = os.path.relpath(whole, link.parent.absolute()) if inside else str(whole)
    if link.is_symlink() and str(link.readlink()) == text:
        return
    if link.exists() and not link.is_symlink():
        raise ReaudioError(f"{link} is a file that this command did not make: move it away.")
    temporary = temporary_path(link)
    try:
        temporary.symlink_to(text)
        temporary.replace(link)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise explain_write_error(error, link) from error
