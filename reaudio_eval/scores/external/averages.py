"""External scores averaged over seeds and raters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reaudio_eval.scores.external.table import EXAMPLES
from reaudio_eval.scores.system_scores import Level
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.tables import quoted

CELL = ["system", "metric", "clip_id", "label"]  # of which there is one value


def levels(rows: pd.DataFrame) -> dict[str, Level]:
    """Metric -> "clip" or "label".

    Raises:
        ReaudioError: a metric with and without labels.
    """
    labelled = rows["label"].notna().groupby(rows["metric"]).agg(["any", "all"])
    for metric in labelled.index[labelled["any"] & ~labelled["all"]]:
        raise ReaudioError(f"{metric!r} has values with a label and without one: give every row of it a label, or none.")
    return {str(metric): "label" if labelled.at[metric, "any"] else "clip" for metric in labelled.index}


def _check_repeated(rows: pd.DataFrame) -> None:
    """Refuse two values of one cell whose seeds and raters do not differ."""
    again = rows.duplicated([*CELL, "seed", "rater"], keep="first")
    if not again.any():
        return
    first = rows[again].iloc[0]
    label = f", label {first['label']!r}" if first["label"] else ""
    n = int(rows[again].groupby(CELL).ngroups)
    raise ReaudioError(
        f"{first['table']}: {n:,} {'cell has' if n == 1 else 'cells have'} two values, such as {first['metric']} of {first['system']!r}, "
        f"clip {first['clip_id']!r}{label}: only values of different seeds or raters are averaged, so name these in "
        "a column seed or rater, or remove one of each."
    )


def _check_raters(rows: pd.DataFrame) -> None:
    """Refuse raters with one answer, whose ids usually number rows."""
    rated = rows[rows["rater"] != ""]
    counts = rated.groupby(["table", "metric", "rater"], sort=False).size()
    once = counts[counts == 1]
    if once.empty:
        return
    table, metric, _ = once.index[0]
    names = list(dict.fromkeys(once.index.get_level_values("rater")))
    raise ReaudioError(
        f"{table}: {len(names):,} {'rater has' if len(names) == 1 else 'raters have'} one answer only ({metric}), such as "
        f"{quoted(names[:EXAMPLES])}: one answer does not show how a rater uses the scale, so remove those rows, or the column rater if it "
        "numbers rows."
    )


def averaged(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each cell: system, metric, clip_id, label (None without), value, n_values and sd_values.

    Several values of a cell are averaged where their seeds or raters differ: over raters, and where there are several seeds, the means of
    the seeds over these. ``n_values`` (count) and ``sd_values`` (float64, n - 1 in the denominator, NaN for one value) are of the values
    that were averaged last.

    Args:
        rows: system, metric, clip_id, label (None without), value, seed and rater ("" without), table (its name).

    Raises:
        ReaudioError: two values of a cell with the same seed and rater, or a rater with one answer.
    """
    rows = rows.assign(label=rows["label"].fillna(""))
    _check_repeated(rows)
    _check_raters(rows)
    by_seed = rows.groupby([*CELL, "seed"], sort=False)["value"].agg(["mean", "count", "std"]).reset_index()
    cells = by_seed.groupby(CELL, sort=False)
    over_seeds, of_first_seed = cells["mean"].agg(["mean", "count", "std"]), cells[["count", "std"]].first()
    several = over_seeds["count"] > 1
    frame = over_seeds["mean"].rename("value").reset_index()
    frame["n_values"] = over_seeds["count"].where(several, of_first_seed["count"]).to_numpy(dtype=np.int64)
    frame["sd_values"] = over_seeds["std"].where(several, of_first_seed["std"]).to_numpy(dtype=np.float64)
    frame["label"] = frame["label"].astype(object).where(frame["label"] != "", None)
    return frame.astype({"n_values": "Int64", "clip_id": object, "metric": object})


def repeated_notes(means: pd.DataFrame, rows: pd.DataFrame) -> tuple[str, ...]:
    """What was averaged, of each metric."""
    notes = []
    for metric, cells in means.groupby("metric", sort=False):
        n = cells["n_values"]
        if n.max() > 1:
            own = rows[rows["metric"] == metric]
            what = [noun for noun, column in (("seeds", "seed"), ("raters", "rater")) if own[column].nunique() > 1]
            count = f"{n.min()} to {n.max()}" if n.min() < n.max() else str(n.max())
            notes.append(
                f"{metric}: {len(own):,} values, averaged over {count} {' and '.join(what)} of each prompt and system."
            )
    return tuple(notes)
