"""Listeners' ratings of RELATE (Interspeech 2025) as a table of scores."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

METRICS = {
    "REL.csv": "relevance",
    "IS.csv": "inclusion",
}  # whole text and audio; sound events of the text in the audio; 0 to 10
STATED = dict.fromkeys(METRICS.values(), "higher,0,10")


def ratings(folder: Path) -> pd.DataFrame:
    """clip_id (an audiocap_id), system ("real" for the natural audio), metric, value and rater, without anchors and excluded answers."""
    return pd.concat([_read(folder / name, metric) for name, metric in METRICS.items()], ignore_index=True)


def _read(path: Path, metric: str) -> pd.DataFrame:
    rows = pd.read_csv(path, dtype={"listener_id": str})
    kept = ~rows["anchor label"]
    if "in RELATE dataset" in rows.columns:
        kept &= rows["in RELATE dataset"] != "excluded"
    rows = rows[kept]
    parts = rows["wavname"].str.extract(r"^/(?P<system>[^/]+)/[^/]+/(?P<clip_id>\d+)\.wav$")
    systems = parts["system"].replace("audiocaps", "real")
    return pd.DataFrame(
        {
            "clip_id": parts["clip_id"],
            "system": systems,
            "metric": metric,
            "value": rows["score"],
            "rater": rows["listener_id"],
        }
    )
