"""Small checkpoints of every published system, in its own layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import public_checkpoints as checkpoints
import pytest

WRITERS: dict[str, Callable[[Path], Path]] = {
    "audioldm-s": checkpoints.write_audioldm,
    "tango": checkpoints.write_tango,
    "tango2": checkpoints.write_tango,
    "audioldm2": checkpoints.write_audioldm2,
    "audioldm2-rag": checkpoints.write_audioldm2_rag,
    "audiogen-medium": checkpoints.write_audiogen,
    "stable-audio-open": checkpoints.write_stable_audio,
}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model -> its weights."""
    folder = tmp_path_factory.mktemp("public")
    with pytest.MonkeyPatch.context() as patch:
        checkpoints.make_small(patch)
        return {name: write(folder / name) for name, write in WRITERS.items()}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes of the small checkpoints."""
    checkpoints.make_small(monkeypatch)
