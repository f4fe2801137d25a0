"""AudioCaps tables of both kinds."""

from __future__ import annotations

from pathlib import Path

import pytest
from audiocaps_files import write_joined, write_official


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    return write_joined(tmp_path / "joined")


@pytest.fixture
def official(tmp_path: Path) -> Path:
    return write_official(tmp_path / "official")
