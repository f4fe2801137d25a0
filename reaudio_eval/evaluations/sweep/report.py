"""What the sections of a sweep report show."""

from __future__ import annotations

from dataclasses import dataclass

from reaudio_eval.evaluations.sweep.analysis import Sweep
from reaudio_eval.reports.report import Report


@dataclass(frozen=True)
class SweepReport(Report):
    """sweep: every number by setting."""

    sweep: Sweep
