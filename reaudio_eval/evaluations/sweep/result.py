"""Result of the sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.evaluations.base import Json, Result
from reaudio_eval.evaluations.options import Page
from reaudio_eval.evaluations.sweep import verdict
from reaudio_eval.evaluations.sweep.analysis import Sweep
from reaudio_eval.evaluations.sweep.page import PLAYERS, render_sweep
from reaudio_eval.evaluations.sweep.tables import short_name, strata_of
from reaudio_eval.prompts.strata import stratum_titles
from reaudio_eval.reports.files import dataset_json
from reaudio_eval.reports.first_screen.findings import verdict_json
from reaudio_eval.reports.rendered import RenderedReport, percent
from reaudio_eval.reports.terminal import table_text
from reaudio_eval.runs.directory import overall_json
from reaudio_eval.statistics.analysis import Alert, NotComputed
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True, repr=False)
class SweepResult(Result):
    """Scores of one model at many sampling settings.

    Attributes:
        sweep: every number.
        runs: run directory of each cell, in order.
        page: what the page plays.
        jobs: threads that encode audio.
    """

    sweep: Sweep
    runs: tuple[Path, ...]
    page: Page
    jobs: int

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        return {name: getattr(self.sweep, name) for name in ("numbers", "curves", "spread")}

    @property
    def alerts(self) -> Sequence[Alert]:
        return self.sweep.analysis.alerts

    @property
    def not_computed(self) -> Sequence[NotComputed]:
        return self.sweep.analysis.not_computed

    @property
    def verdict(self) -> Sequence[str]:
        return [str(sentence.striptags()) for sentence in verdict.sentences(self.sweep)]

    def summary(self) -> Json:
        """Cells with their overall numbers, and the primary metric along each factor."""
        sweep, analysis = self.sweep, self.sweep.analysis
        curves = sweep.curves[sweep.curves["metric"] == analysis.primary]
        return {
            "dataset": dataset_json(analysis),
            "primary": analysis.primary,
            "reference": sweep.reference.name,
            **verdict_json(verdict.evidence(sweep)),
            "cells": {
                cell.name: {
                    "settings": cell.settings.values(),
                    "seconds_per_clip": sweep.costs[cell.name],
                    "metrics": overall_json(analysis, cell.name),
                    "run": str(run),
                }
                for cell, run in zip(sweep.cells, self.runs, strict=True)
            },
            "factors": {factor: rows.drop(columns="factor") for factor, rows in curves.groupby("factor", sort=False)},
            "spread": sweep.spread[sweep.spread["metric"] == analysis.primary],
        }

    def table_text(self) -> str:
        """The primary metric of every cell by stratum."""
        sweep, analysis = self.sweep, self.sweep.analysis
        if analysis.primary is None:
            return ""
        metric = analysis.metric(analysis.primary)
        rows = sweep.numbers[sweep.numbers["metric"] == metric.name]
        table = rows.pivot_table(index="cell", columns="stratum", values="value", sort=False, observed=True)
        table = table.reindex(columns=[s for s in strata_of(sweep) if s in table.columns])
        table = table.rename(columns=stratum_titles(analysis.strata))
        table.index = table.index.map(lambda name: short_name(sweep, name)).rename("cell")
        return f"{metric.title} ({metric.better} is better)\n\n{table_text(table)}"

    def render(self, output: Path, reporter: Reporter) -> RenderedReport:
        most = PLAYERS if self.page.players is None else self.page.players
        with reporter.stage("Rendering", 100) as advance:
            return render_sweep(
                self.sweep, output, media=self.page.media, max_players=most, jobs=self.jobs, progress=percent(advance)
            )
