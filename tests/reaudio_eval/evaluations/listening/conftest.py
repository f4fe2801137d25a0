"""Exported tests to listen to, made once."""

from __future__ import annotations

from pathlib import Path

import listening_worlds
import pytest

from reaudio_eval import export_listening_test
from reaudio_eval.evaluations.listening.records import Key, read_key
from reaudio_eval.evaluations.listening.request import ListeningRequest


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three generated systems and the real audio, 24 prompts over four strata."""
    return listening_worlds.write_runs(tmp_path_factory.mktemp("world"))


def _exported(runs: Path, folder: Path, **options: object) -> Key:
    export_listening_test(ListeningRequest((runs,), folder, prompts=12, forms=2, **options))  # type: ignore[arg-type]
    return read_key(folder)


@pytest.fixture(scope="session")
def mos_test(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mos")
    _exported(runs, folder, design="mos")
    return folder


@pytest.fixture(scope="session")
def mos(mos_test: Path) -> Key:
    """Ratings, two forms of all clips of 12 prompts."""
    return read_key(mos_test)


@pytest.fixture(scope="session")
def pairs(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Key:
    """Pairs, two forms of all pairs of 12 prompts."""
    return _exported(runs, tmp_path_factory.mktemp("pairs"), design="pairs")
