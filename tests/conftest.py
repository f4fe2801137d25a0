"""Fixtures shared by all tests; nothing here needs a network, a GPU or files from outside the repository."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: more threads only wait for each other

import pytest

import reaudio_model  # noqa: F401 (before transformers: torchvision beside another build of torch)

SHARED = Path(os.environ.get("REAUDIO_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data kept beside a developer's checkout; the test is skipped where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"real data not found at {SHARED} (set REAUDIO_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def systems48(shared: Path) -> Path:
    """48 AudioCaps prompts: real clips and seven published systems' outputs."""
    return shared / "data" / "systems48"


@pytest.fixture(scope="module")
def no_figure_files() -> Iterator[None]:
    """Figures stay in the page: their three files each take most of a report's time, and the tests of figures look at them."""
    from reaudio_eval.reports import figure_files

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_files, "save_figure", lambda figure, stem: [])
        yield


@pytest.fixture(scope="module")
def no_figures() -> Iterator[None]:
    """:func:`undrawn.titles_of_figures` in a module, whose fixtures make reports too."""
    from undrawn import titles_of_figures

    with titles_of_figures():
        yield


@pytest.fixture
def without_figures() -> Iterator[None]:
    """:func:`undrawn.titles_of_figures` in a test."""
    from undrawn import titles_of_figures

    with titles_of_figures():
        yield


@pytest.fixture(autouse=True, scope="module")
def no_state_of_accelerate() -> None:
    """Accelerate keeps device and precision for the whole process: what another module chose must not reach this one."""
    state = sys.modules.get("accelerate.state")
    if state is not None:
        for each in (state.AcceleratorState, state.PartialState, state.GradientState):
            each._reset_state()
