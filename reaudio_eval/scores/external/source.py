"""Tables of scores as the user names them: files, DataFrames."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from reaudio_model.common.files import StrPath


class GivenFrame:
    """A DataFrame of scores that was given in Python. name: of it, for messages."""

    def __init__(self, frame: pd.DataFrame, name: str) -> None:
        self.frame = frame
        self.name = name

    def __str__(self) -> str:
        return f"{self.name}: {len(self.frame):,} rows"


def read_sources(value: Any) -> tuple[StrPath | GivenFrame, ...]:
    """One table, or a list of them, as the value of ``scores``: paths and DataFrames."""
    given = [value] if isinstance(value, str | os.PathLike | GivenFrame) or _is_frame(value) else value
    return tuple(
        GivenFrame(each, f"DataFrame {i}" if len(given) > 1 else "DataFrame") if _is_frame(each) else each
        for i, each in enumerate(given, start=1)
    )


def _is_frame(value: object) -> bool:
    pandas = sys.modules.get("pandas")  # without it there is no DataFrame, and --help imports nothing heavy
    return pandas is not None and isinstance(value, pandas.DataFrame)
