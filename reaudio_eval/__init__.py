"""Evaluation of text-to-audio models by label frequency.

Every evaluation is a function, and a few more names help around them; all are imported when first used, so that
``import reaudio_eval`` costs nothing::

    import reaudio_eval

    result = reaudio_eval.longtail(models="re-audioldm-l", output="reports/longtail")
    result.tables["by_stratum"]  # a DataFrame
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reaudio_eval.runs.directory import read_run as read_run
    from reaudio_model.common.errors import ReaudioError as ReaudioError

__version__ = "0.1.0"

_NAMES = {
    "ReaudioError": "reaudio_model.common.errors",
    "read_run": "reaudio_eval.runs.directory",
}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name == "__all__":  # of ``from reaudio_eval import *``
        return [each for each in __dir__() if not each.startswith("_")]
    # A module of the package is imported by Python itself, after this has raised.
    known = not name.isidentifier() or name.startswith("_") or find_spec(f"{__name__}.{name}") is not None
    evaluations = {} if known else _evaluations()
    if name not in evaluations:
        raise AttributeError(f"module 'reaudio_eval' has no attribute {name!r}")
    return evaluations[name]


def _evaluations() -> dict[str, Any]:
    """The function and the request class of every registered evaluation."""
    from reaudio_eval.evaluations.base import find_evaluations

    found = find_evaluations()
    return {e.__name__: e for e in found} | {e.request.__name__: e.request for e in found}


def __dir__() -> list[str]:
    return sorted(["__version__", *_NAMES, *_evaluations()])
