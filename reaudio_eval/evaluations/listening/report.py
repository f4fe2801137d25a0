"""What the sections of a listening report show."""

from __future__ import annotations

from dataclasses import dataclass

from reaudio_eval.evaluations.listening.analysis import ListeningAnalysis
from reaudio_eval.reports.figure_files import FigureFiles
from reaudio_eval.statistics.rows import ALL


@dataclass(frozen=True)
class ListeningReport:
    """analysis: every number; figures: draws into the page and into files."""

    analysis: ListeningAnalysis
    figures: FigureFiles


def strata_of(analysis: ListeningAnalysis) -> list[str]:
    """All prompts, then the strata where there are several."""
    return [ALL, *analysis.key.strata] if len(analysis.key.strata) > 1 else [ALL]
