"""Listeners' ratings of RELATE (Interspeech 2025) as a table of scores.

    python benchmarks/relate.py RELATE ratings.csv

RELATE is a folder with REL.csv and IS.csv of https://github.com/sarulab-speech/RELATE. ``ratings.csv`` is for ``longtail --scores``; the
metrics and their ranges are written to ``ratings.yaml`` beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args(arguments)
    ratings(args.folder).to_csv(args.output, index=False)
    stated = "".join(f"{metric}: {{direction: higher, range: [0, 10]}}\n" for metric in METRICS.values())
    args.output.with_suffix(".yaml").write_text(stated, encoding="utf-8")


if __name__ == "__main__":
    main()
