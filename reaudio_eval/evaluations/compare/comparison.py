"""Result of comparing several runs."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reaudio_eval.statistics.analysis import LongtailAnalysis


@dataclass(frozen=True)
class Comparison:
    """What the comparison of several runs shows beyond the analysis of their systems.

    Attributes:
        analysis: of all systems on the common clips.
        baseline: name of the system that others are compared with.
        compared: names of the systems whose differences, figures and clips are shown, in order.
        classes, strata: ``frames.statistics.CLASS_DIFFERENCES`` and ``BASELINE_DIFFERENCES``.
        published, runs: ``frames.evaluations.PUBLISHED`` (no rows where none are shown) and ``COMPARED_RUNS``.
    """

    analysis: LongtailAnalysis
    baseline: str
    compared: tuple[str, ...]
    classes: pd.DataFrame
    strata: pd.DataFrame
    published: pd.DataFrame
    runs: pd.DataFrame
