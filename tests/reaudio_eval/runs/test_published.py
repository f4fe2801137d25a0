"""The published rows: complete, numeric, and the paper's own table as it is printed."""

from __future__ import annotations

import pandas as pd

from reaudio_eval.frames.evaluations import PUBLISHED
from reaudio_eval.runs.published import METRICS, published


def test_every_row_is_complete() -> None:
    table = published()
    assert list(table.columns) == PUBLISHED.names
    assert not (table == "").any().any()
    assert set(table["metric"]) <= set(METRICS)
    assert (pd.to_numeric(table["value"]) > 0).all()
    assert not table.duplicated(["dataset", "system", "metric", "source"]).any()
    assert table.groupby("source")["protocol"].nunique().eq(1).all()


def test_table_1_of_the_paper() -> None:
    table = published("audiocaps")
    own = table[table["source"].str.startswith("Re-AudioLDM")].pivot(index="system", columns="metric", values="value")
    assert own.loc["Re-AudioLDM-L, audio and text, k = 10"].to_dict() == {
        "kl": "1.20", "is": "7.39", "fad": "1.37", "clap_percent": "37.12",
    }  # fmt: skip
    assert own.loc["Tango"].to_dict() == {"kl": "1.32", "is": "6.45", "fad": "1.68", "clap_percent": "29.28"}
    assert len(own) == 8


def test_other_datasets_have_none() -> None:
    assert published("miniature").empty
