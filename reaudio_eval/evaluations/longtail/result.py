"""Result of the long-tail evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reaudio_eval.evaluations.base import Json, Result
from reaudio_eval.evaluations.longtail.page import render_longtail
from reaudio_eval.evaluations.options import Page
from reaudio_eval.prompts.strata import stratum_titles
from reaudio_eval.reports.files import FRAMES, dataset_json
from reaudio_eval.reports.first_screen.evidence import longtail_evidence
from reaudio_eval.reports.first_screen.findings import verdict_json
from reaudio_eval.reports.first_screen.sentences import verdict
from reaudio_eval.reports.margins import margin_json
from reaudio_eval.reports.media import INLINE_PLAYERS
from reaudio_eval.reports.rendered import RenderedReport, percent
from reaudio_eval.reports.terminal import overall_by_system, systems_by
from reaudio_eval.runs.directory import number, overall_json
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis, NotComputed
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True, repr=False)
class LongtailResult(Result):
    """Scores by label frequency.

    Attributes:
        analysis: all numbers, as DataFrames.
        runs: run directory of each system, in the order of ``analysis.systems``.
        audit: system name (or "reference") -> what was odd about its files.
        page: what the page plays.
        jobs: threads that encode audio.
    """

    analysis: LongtailAnalysis
    runs: tuple[Path, ...]
    audit: Mapping[str, Any]
    page: Page
    jobs: int

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The means by stratum first: what a notebook shows."""
        return {name: getattr(self.analysis, name) for name in ("by_stratum", *FRAMES)}

    @property
    def alerts(self) -> Sequence[Alert]:
        return self.analysis.alerts

    @property
    def not_computed(self) -> Sequence[NotComputed]:
        return self.analysis.not_computed

    @property
    def verdict(self) -> Sequence[str]:
        return [str(sentence.striptags()) for sentence in verdict(self.analysis, longtail_evidence(self.analysis))]

    def summary(self) -> Json:
        return {
            "dataset": dataset_json(self.analysis),
            "primary": self.analysis.primary,
            "margin": margin_json(self.analysis),
            "systems": {s.name: overall_json(self.analysis, s.name) for s in self.analysis.systems},
            **verdict_json(longtail_evidence(self.analysis)),
            "strata": _strata_json(self.analysis.by_stratum),
            "audit": dict(self.audit),
            "runs": [str(path) for path in self.runs],
        }

    def table_text(self) -> str:
        """The primary metric by stratum; without strata every metric over all clips."""
        if self.analysis.primary is None:
            return ""
        if self.analysis.no_strata:
            return overall_by_system(self.analysis)
        titles = stratum_titles(self.analysis.strata)
        frame = self.analysis.by_stratum.replace({"stratum": titles})
        metric = self.analysis.metric(self.analysis.primary)
        return systems_by(frame, "stratum", metric, "training count", list(titles.values()))

    def render(self, output: Path, reporter: Reporter) -> RenderedReport:
        most = INLINE_PLAYERS if self.page.players is None else self.page.players
        with reporter.stage("Rendering", 100) as advance:
            return render_longtail(
                self.analysis,
                output,
                media=self.page.media,
                max_players=most,
                jobs=self.jobs,
                progress=percent(advance),
            )


def _strata_json(frame: pd.DataFrame) -> Json:
    """metric -> stratum -> system -> value and interval."""
    table: Json = {}
    for row in frame.to_dict("records"):
        cell: Json = {key: number(row[key]) for key in ("value", "ci_low", "ci_high")}
        cell |= {key: None if pd.isna(row[key]) else int(row[key]) for key in ("n_classes", "n_clips")}
        table.setdefault(row["metric"], {}).setdefault(row["stratum"], {})[row["system"]] = cell
    return table
