"""Result of the comparison of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reaudio_eval.evaluations.base import Json, Result
from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.evaluations.compare.page import render_compare
from reaudio_eval.evaluations.compare.verdict import evidence, verdict_sentences
from reaudio_eval.evaluations.options import Page
from reaudio_eval.reports.files import FRAMES, dataset_json
from reaudio_eval.reports.first_screen.findings import verdict_json
from reaudio_eval.reports.margins import margin_json
from reaudio_eval.reports.rendered import RenderedReport, percent
from reaudio_eval.reports.terminal import overall_by_system
from reaudio_eval.runs.directory import number, overall_json
from reaudio_eval.statistics.analysis import Alert, NotComputed
from reaudio_model.common.progress import Reporter

PLAYERS = 120


@dataclass(frozen=True, repr=False)
class CompareResult(Result):
    """Systems of several runs on the same clips.

    Attributes:
        comparison: all numbers, as DataFrames.
        page: what the page plays.
        jobs: threads that encode audio.
    """

    comparison: Comparison
    page: Page
    jobs: int

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        comparison = self.comparison
        frames = {"stratum_differences": comparison.strata, "class_differences": comparison.classes, "runs": comparison.runs}
        return frames | {name: getattr(comparison.analysis, name) for name in FRAMES}

    @property
    def alerts(self) -> Sequence[Alert]:
        return self.comparison.analysis.alerts

    @property
    def not_computed(self) -> Sequence[NotComputed]:
        return self.comparison.analysis.not_computed

    @property
    def verdict(self) -> Sequence[str]:
        return [str(sentence.striptags()) for sentence in verdict_sentences(self.comparison)]

    def summary(self) -> Json:
        """Overall numbers, and differences to the baseline."""
        comparison, analysis = self.comparison, self.comparison.analysis
        return {
            "dataset": dataset_json(analysis),
            "primary": analysis.primary,
            "margin": margin_json(analysis),
            "baseline": comparison.baseline,
            "compared": list(comparison.compared),
            **verdict_json(evidence(comparison)),
            "systems": {s.name: overall_json(analysis, s.name) for s in analysis.systems},
            "differences": _difference_json(comparison.strata),
            "runs": dict(zip(comparison.runs["system"], comparison.runs["run"], strict=True)),
        }

    def table_text(self) -> str:
        """Every metric over all clips."""
        analysis = self.comparison.analysis
        heading = (
            f"{len(analysis.prompts)} clips of {analysis.dataset_name}/{analysis.split}, baseline {self.comparison.baseline}"
        )
        return f"{heading}\n\n{overall_by_system(analysis)}"

    def render(self, output: Path, reporter: Reporter) -> RenderedReport:
        most = PLAYERS if self.page.players is None else self.page.players
        with reporter.stage("Rendering", 100) as advance:
            return render_compare(
                self.comparison, output, media=self.page.media, max_players=most, jobs=self.jobs, progress=percent(advance)
            )


def _difference_json(frame: pd.DataFrame) -> Json:
    """metric -> quantity ("all", a stratum, ...) -> system -> system minus baseline, interval, p-values."""
    table: Json = {}
    for row in frame.to_dict("records"):
        cell: dict[str, Any] = {
            k: number(row[k]) for k in ("difference", "ci_low", "ci_high", "p_value", "p_holm", "detectable")
        }
        cell |= {key: None if pd.isna(row[key]) else int(row[key]) for key in ("n_classes", "n_clips")}
        cell["reason"] = row["reason"] if isinstance(row["reason"], str) else None
        table.setdefault(row["metric"], {}).setdefault(row["quantity"], {})[row["system"]] = cell
    return table
