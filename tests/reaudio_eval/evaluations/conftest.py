"""A synthetic analysis, and a folder of synthesised clips, for the tests of evaluations."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic_report
from fakes import write_embedder
from synthesise import write_dataset

from reaudio_eval.evaluations.longtail import page
from reaudio_eval.reports import figure_files
from reaudio_eval.statistics.analysis import LongtailAnalysis


@pytest.fixture(scope="session")
def analysis() -> LongtailAnalysis:
    """Seven systems, real audio and noise; no audio files."""
    return synthetic_report.build()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> LongtailAnalysis:
    """Two systems and the references, two metrics, twelve classes, six clips with audio."""
    return synthetic_report.build(
        tmp_path_factory.mktemp("clips"), n_systems=2, n_classes=12, n_clips=6, n_metrics=2, seconds=0.5
    )


@pytest.fixture(scope="session")
def wide_page(analysis: LongtailAnalysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of ``analysis``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_files, "save_figure", lambda figure, stem: [])
        return page.render_longtail(analysis, tmp_path_factory.mktemp("wide"), media="none").html


@pytest.fixture
def page_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures' files, which take most of the time, where only the page matters."""
    monkeypatch.setattr(figure_files, "save_figure", lambda figure, stem: [])


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset in the layout of ``folder``: two clips of each class, real and of two systems. Read only."""
    return write_dataset(tmp_path_factory.mktemp("sounds"), takes=2)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plug-in embedder and a cache of the test's own."""
    write_embedder(tmp_path / "plugins")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setenv("REAUDIO_CACHE", str(tmp_path / "cache"))
    return tmp_path
