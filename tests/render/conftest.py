"""A synthetic analysis for the report's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode does not add it

import synthetic_report

from reaudio_eval.records import LongtailAnalysis


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
