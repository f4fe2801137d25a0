"""Primary metric of a report."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from reaudio_eval import plugins
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_model.common.errors import UnknownNameError


def default_primary(dataset: str, scores: Sequence[SystemScores]) -> str | None:
    """The primary metric of the dataset, if one of these runs has values of it."""
    try:
        wanted = plugins.load("datasets", dataset).defaults.primary
    except UnknownNameError:  # a plug-in that is not here
        return None
    return wanted if wanted in {m.name for each in scores for m in each.metrics if m.name not in each.undefined} else None


def choose_primary(
    metrics: Sequence[MetricInfo], overall: pd.DataFrame, wanted: str | None, not_computed: Sequence[MetricInfo] = ()
) -> MetricInfo | None:
    """The primary metric: ``wanted``, else the default among those with a value (CLAP score, label recall, the first per clip, the first).

    Args:
        metrics: to choose from.
        overall: the frame of that name.
        wanted: name, or None.
        not_computed: metrics without a value, taken only where one of them is ``wanted``.

    Raises:
        UnknownNameError: no metric is called ``wanted``.
    """
    if wanted is not None:
        by_name = {m.name: m for m in (*metrics, *not_computed)}
        if wanted not in by_name:
            raise UnknownNameError("metric", wanted, by_name)
        return by_name[wanted]
    with_value = set(overall.loc[overall["value"].notna(), "metric"])
    candidates = [m for m in metrics if m.name in with_value] or list(metrics)
    preferences = (
        lambda m: m.role == "text_similarity",
        lambda m: m.role == "label_recall",
        lambda m: m.level == "clip",
        lambda m: True,
    )
    return next((m for prefer in preferences for m in candidates if prefer(m)), None)
