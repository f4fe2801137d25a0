"""What the sections of a plan's page show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.plan.result import PlanResult
from reaudio_eval.reports.figure_files import FigureFiles
from reaudio_eval.reports.text import count


@dataclass(frozen=True)
class PlanReport:
    """result: every number; figures: draws into the page and into files."""

    result: PlanResult
    figures: FigureFiles


def curves(result: PlanResult) -> Sequence[SystemInfo]:
    """The numbers of prompts of a class, in the place of systems in the legend of the page."""
    return [SystemInfo(f"{count(m, 'prompt')} of each class", "generated", 0) for m in result.per_class]
