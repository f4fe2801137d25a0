"""What the sections of a zero-shot report show."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis
from reaudio_eval.reports.report import Report
from reaudio_eval.statistics.analysis import LongtailAnalysis


@dataclass(frozen=True)
class ZeroshotReport(Report):
    """zeroshot: the analysis by regime; ``analysis`` is :func:`shown_analysis` of it."""

    zeroshot: ZeroshotAnalysis


def shown_analysis(zeroshot: ZeroshotAnalysis) -> LongtailAnalysis:
    """The systems' analysis with the metrics and alerts of the zero-shot report."""
    primary = zeroshot.primary
    return dataclasses.replace(
        zeroshot.base, metrics=zeroshot.metrics, alerts=zeroshot.alerts, primary=primary.name if primary else None
    )
