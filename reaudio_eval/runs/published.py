"""Numbers that others published, kept as printed with source and protocol, to stand beside measured ones and never among them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

FILE = Path(__file__).with_name("published.csv")
COLUMNS = ("dataset", "system", "metric", "value", "source", "protocol", "prompts", "evidence")
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
    """Published rows, one a system, metric and source.

    Args:
        dataset: only rows of this dataset; None for all.

    Returns:
        Columns ``COLUMNS``, all text: ``value`` is the number as printed; ``metric`` a key of ``METRICS``; ``prompts`` the list of clips
        as far as the source says; ``evidence`` where the number was read ("paper", "README", "digest of the paper", ...). Sources in
        the order of the file.
    """
    table = pd.read_csv(FILE, dtype=str, keep_default_na=False)[list(COLUMNS)]
    return table if dataset is None else table[table["dataset"] == dataset].reset_index(drop=True)
