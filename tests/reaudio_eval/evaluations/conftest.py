"""A synthetic analysis for the report's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode does not add it

import synthetic_report

from reaudio_eval.records import LongtailAnalysis
from reaudio_eval.render import figure_files, html


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
        return html.render_longtail(analysis, tmp_path_factory.mktemp("wide"), media="none").html


@pytest.fixture
def page_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures' files, which take most of the time, where only the page matters."""
    monkeypatch.setattr(figure_files, "save_figure", lambda figure, stem: [])
