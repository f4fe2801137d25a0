"""Tables for the terminal."""

from __future__ import annotations

import pandas as pd
import pytest
import rich.console

from reaudio_eval.reports.terminal import table_text


def test_a_table_is_returned_in_a_notebook_too(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"value": [0.5, None]}, index=pd.Index(["a", "b"], name="system"))
    expected = table_text(frame)
    assert "0.500" in expected
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    assert table_text(frame) == expected
