"""The ``config.json`` beside saved weights, compared with a network's settings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.json_files import as_read_back, read_json_object
from reaudio_model.common.weights import DIFFUSERS_WEIGHTS, FOLDER_WEIGHTS


def stored_settings(file: Path) -> dict[str, Any]:
    """The configuration beside the weights of a folder in diffusers' or transformers' layout; empty if there is none.

    Raises:
        CheckpointError: it is not JSON.
    """
    path = file.with_name("config.json")
    if file.name not in DIFFUSERS_WEIGHTS + FOLDER_WEIGHTS or not path.is_file():
        return {}
    return read_json_object(path, "the settings of a network", remedy="download it again", error=CheckpointError)


def check_settings(config: Any, stored: dict[str, Any], names: Iterable[str], file: Path) -> None:
    """Check that stored settings are a network's; those that are not stored are not compared.

    Args:
        config: of the network, with a value for each name.
        stored: of :func:`stored_settings`.
        names: to compare.
        file: the weights, for the message.

    Raises:
        CheckpointError: one differs.
    """
    for name in names:
        if name in stored:
            require_equal(name, stored[name], as_read_back(getattr(config, name)), file)


def require_equal(name: str, found: Any, expected: Any, file: Path) -> None:
    """Check one stored setting.

    Raises:
        CheckpointError: it differs.
    """
    if found != expected:
        raise CheckpointError(
            f"{file} belongs to another network: its config.json has {name} {found}, this model has {expected}."
        )
