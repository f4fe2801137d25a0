"""What the sections of the comparison page show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.reports.listen import Listening
from reaudio_eval.reports.report import Report


@dataclass(frozen=True)
class CompareReport(Report):
    """pairs: system -> the prompts on which it is played next to the baseline (``listening`` is empty)."""

    comparison: Comparison
    pairs: Mapping[str, Listening]
