"""Published numbers, as printed, with source and protocol."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reaudio_eval.frames.evaluations import PUBLISHED

FILE = Path(__file__).with_name("published.csv")
# metric -> title, arrow; in display order. The network behind a number is in "protocol" where the source names it.
METRICS = {
    "fad": ("FAD", "↓"),
    "fd": ("FD", "↓"),
    "fd_openl3": ("FD (OpenL3)", "↓"),
    "kl": ("KL", "↓"),
    "kl_passt": ("KL (PaSST)", "↓"),
    "is": ("IS", "↑"),
    "clap": ("CLAP score", "↑"),
    "clap_percent": ("CLAP score × 100", "↑"),
}


def published(dataset: str | None = None) -> pd.DataFrame:
    """Published numbers, one row for each system, metric and source; never mixed with measured ones.

    Args:
        dataset: only rows of this dataset; None for all.

    Returns:
        ``frames.evaluations.PUBLISHED``; ``metric`` is a key of ``METRICS``. Sources in the order of the file.
    """
    table = PUBLISHED.select(pd.read_csv(FILE, dtype=str, keep_default_na=False))
    return table if dataset is None else table[table["dataset"] == dataset].reset_index(drop=True)
