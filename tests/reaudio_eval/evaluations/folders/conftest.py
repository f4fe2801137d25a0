"""Two folders of clips and a cheap embedder."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import write_embedder, write_pair


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders generated/ and reference/, the plug-in embedder and a cache of their own."""
    write_pair(tmp_path)
    write_embedder(tmp_path / "plugins")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setenv("REAUDIO_CACHE", str(tmp_path / "cache"))
    return tmp_path
