"""Result of the scores of two folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reaudio_eval.evaluations.base import Json, Result
from reaudio_eval.reports.terminal import table_text
from reaudio_eval.reports.text import interval, number
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis, NotComputed
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True, repr=False)
class FolderScores(Result):
    """Scores of one folder against another.

    Attributes:
        protocol: its name.
        n_clips: clips scored.
        metrics: metric name -> value, interval, method, counts, direction, source, or null with a reason.
        audit: "generated" and "reference" -> what was odd about the files.
        analysis: all numbers, as DataFrames.
        alerts: what a reader must know before believing a number.
    """

    protocol: str
    n_clips: int
    metrics: Mapping[str, Json]
    audit: Mapping[str, Any]
    analysis: LongtailAnalysis
    alerts: tuple[Alert, ...] = ()

    @property
    def not_computed(self) -> Sequence[NotComputed]:
        return self.analysis.not_computed

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        return {"overall": self.analysis.overall}

    def summary(self) -> Json:
        return {
            "protocol": self.protocol,
            "n_clips": self.n_clips,
            "metrics": dict(self.metrics),
            "audit": dict(self.audit),
        }

    def table_text(self) -> str:
        """Every metric with a value, and what was odd about the files; the number of clips of each metric where it is not that of all."""
        shown = {name: metric for name, metric in self.metrics.items() if metric["value"] is not None}
        rows = {name: _row(metric) for name, metric in shown.items()}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "95% interval", "direction"])
        if any(metric["n_clips"] != self.n_clips for metric in shown.values()):
            table["clips"] = [metric["n_clips"] for metric in shown.values()]
        odd = [
            ", ".join(
                [
                    f"{side}: {a['n_missing']} missing",
                    f"{a['n_unreadable']} unreadable",
                    *(f"{n} {flag}" for flag, n in a["flags"].items()),
                ]
            )
            for side, a in self.audit.items()
        ]
        heading = f"{self.n_clips} clips, protocol {self.protocol}"
        return "\n\n".join([heading, table_text(table.rename_axis("metric")), "\n".join(odd)])

    def render(self, output: Path, reporter: Reporter) -> None:
        """There is no page."""


def _row(metric: Json) -> tuple[str, str, str]:
    ends = "" if metric["ci_low"] is None else interval(metric["ci_low"], metric["ci_high"], 4)
    return number(metric["value"], 4), ends, f"{metric['better']} is better"
