"""Result of the zero-shot evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reaudio_eval.evaluations.base import Json, Result
from reaudio_eval.evaluations.options import Page
from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis
from reaudio_eval.evaluations.zeroshot.page import render_zeroshot
from reaudio_eval.evaluations.zeroshot.verdict import evidence, sentences
from reaudio_eval.frames.evaluations import ZEROSHOT_FRAMES
from reaudio_eval.reports.files import dataset_json
from reaudio_eval.reports.first_screen.findings import verdict_json
from reaudio_eval.reports.media import INLINE_PLAYERS
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.reports.terminal import systems_by
from reaudio_eval.statistics.analysis import Alert, NotComputed
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True, repr=False)
class ZeroshotResult(Result):
    """Scores on classes without training clips; the attributes are those of ``LongtailResult``."""

    analysis: ZeroshotAnalysis
    runs: tuple[Path, ...]
    audit: Mapping[str, Any]
    page: Page
    jobs: int

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        return {name: getattr(self.analysis, name) for name in ZEROSHOT_FRAMES}

    @property
    def alerts(self) -> Sequence[Alert]:
        return self.analysis.alerts

    @property
    def not_computed(self) -> Sequence[NotComputed]:
        return self.analysis.base.not_computed

    @property
    def verdict(self) -> Sequence[str]:
        return [str(sentence.striptags()) for sentence in sentences(self.analysis)]

    def summary(self) -> Json:
        analysis = self.analysis
        return {
            "dataset": dataset_json(analysis.base),
            "few_shot": analysis.few_shot,
            "every_prompt": analysis.every_prompt,
            "primary": analysis.primary.name if analysis.primary else None,
            **verdict_json(evidence(analysis)),
            "systems": analysis.systems,
            "regimes": analysis.regimes,
            "by_regime": analysis.by_regime,
            "paired": analysis.paired,
            "audit": dict(self.audit),
            "runs": [str(path) for path in self.runs],
        }

    def table_text(self) -> str:
        """The primary metric by regime."""
        analysis = self.analysis
        if analysis.primary is None:
            return ""
        titles = {r["regime"]: f"{r['title']} ({r['n_classes']})" for r in analysis.regimes.to_dict("records")}
        frame = analysis.by_regime.assign(regime=analysis.by_regime["regime"].map(titles))
        return systems_by(frame, "regime", analysis.primary, "regime", list(titles.values()))

    def render(self, output: Path, reporter: Reporter) -> RenderedReport:
        most = INLINE_PLAYERS if self.page.players is None else self.page.players
        with reporter.stage("Rendering", 1) as advance:
            report = render_zeroshot(self.analysis, output, media=self.page.media, max_players=most, jobs=self.jobs)
            advance(1)
        return report
