"""Clips and parts to train with, and an accelerator for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from accelerate import Accelerator
from training_worlds import reset_accelerator, training_world


@pytest.fixture(autouse=True)
def _one_accelerator_each() -> Iterator[None]:
    yield
    reset_accelerator()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of :func:`training_world`."""
    return training_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def accelerator() -> Accelerator:
    return Accelerator(cpu=True)
