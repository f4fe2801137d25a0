"""What the sections of a long-tail report show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reaudio_eval.reports.listen import Item
from reaudio_eval.reports.report import Report


@dataclass(frozen=True)
class LongtailReport(Report):
    """copied: the clips of each system that are nearest to what it retrieved."""

    copied: Sequence[Item]
