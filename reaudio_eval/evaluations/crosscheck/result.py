"""Result of the cross-check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.evaluations.base import Json, Result
from reaudio_eval.evaluations.crosscheck.compare import Row
from reaudio_eval.evaluations.crosscheck.packages import NOT_USED
from reaudio_eval.frames.evaluations import CROSSCHECK_FRAMES
from reaudio_eval.reports.files import record_json, write_tables
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.reports.terminal import table_text
from reaudio_eval.statistics.analysis import Alert, NotComputed
from reaudio_model.common.files import atomic_write
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True, repr=False)
class Crosscheck(Result):
    """Our numbers beside those of the packages.

    Attributes:
        protocol: of our numbers.
        n_clips: pairs of clips that all numbers count.
        rows: a metric of a package each.
        missing: metrics without a value.
        warnings: what a reader must know before believing a number.
    """

    protocol: str
    n_clips: int
    rows: tuple[Row, ...]
    missing: tuple[NotComputed, ...] = ()
    warnings: tuple[Alert, ...] = ()

    @property
    def alerts(self) -> Sequence[Alert]:
        return self.warnings

    @property
    def not_computed(self) -> Sequence[NotComputed]:
        return self.missing

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """``crosscheck``: values, differences and causes; ``causes``: what each convention of a package changes."""
        causes = [
            {"metric": row.metric, "package": row.package, "change": what, "value": value, "effect": effect}
            for row in self.rows
            for what, value, effect in row.effects
        ]
        frames = CROSSCHECK_FRAMES
        return {
            "crosscheck": frames["crosscheck"].frame(row.json() for row in self.rows),
            "causes": frames["causes"].frame(causes),
        }

    @property
    def verdict(self) -> Sequence[str]:
        agreeing = [row for row in self.rows if row.agrees]
        others = [f"{row.metric} ({row.package})" for row in self.rows if not row.agrees]
        lines = [f"{len(agreeing)} of {len(self.rows)} metrics agree with the packages on the same waveforms."]
        return lines if not others else [*lines, f"Not explained by the waveforms: {', '.join(others)}."]

    def summary(self) -> Json:
        return {
            "protocol": self.protocol,
            "n_clips": self.n_clips,
            **{name: frame.to_dict("records") for name, frame in self.tables.items()},
            "not_used": NOT_USED,
        }

    def table_text(self) -> str:
        frame = self.tables["crosscheck"].set_index("metric")
        for column in frame.columns.drop(["package", "cause"]):
            sign = "+" if column.startswith("difference") else ""
            frame[column] = [f"{value:{sign}.4g}" for value in frame[column]]
        names = {
            "same_waveforms": "package, our waveforms",
            "own_reading": "package, its reading",
            "difference_same": "difference",
            "difference_own": "difference, its reading",
        }
        unused = "\n".join(f"Not used: {name}: {reason}." for name, reason in NOT_USED.items())
        heading = f"{self.n_clips} clips, protocol {self.protocol}"
        return "\n\n".join([heading, table_text(frame.rename(columns=names)), unused])

    def render(self, output: Path, reporter: Reporter) -> RenderedReport:
        """Write ``crosscheck.json`` and ``tables/``; there is no page."""
        path = output / "crosscheck.json"
        added: Json = {
            "verdict": list(self.verdict),
            "not_computed": {each.metric.name: each.reason for each in self.missing},
            "alerts": [each.message for each in self.warnings],
        }
        atomic_write(path, record_json({**self.summary(), **added}))
        return RenderedReport(None, path, (), tuple(write_tables(self.tables, [], output / "tables")), ())
