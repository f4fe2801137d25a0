"""Result of the comparison of protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.evaluations.base import Json, Result
from reaudio_eval.frames.evaluations import PROTOCOLS_FRAME
from reaudio_eval.reports.files import record_json, write_tables
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.reports.terminal import table_text
from reaudio_eval.statistics.analysis import Alert
from reaudio_model.common.files import atomic_write
from reaudio_model.common.progress import Reporter

DECIMALS = 4


@dataclass(frozen=True, repr=False)
class ProtocolDifferences(Result):
    """The same folders under several protocols.

    Attributes:
        base: name of the protocol that the others are compared with.
        rows: as in ``frames.evaluations.PROTOCOLS_FRAME``.
        warnings: what a reader must know before believing a number.
    """

    base: str
    rows: tuple[Json, ...]
    warnings: tuple[Alert, ...] = ()

    @property
    def alerts(self) -> Sequence[Alert]:
        return self.warnings

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        return {"protocols": PROTOCOLS_FRAME.frame(self.rows)}

    def summary(self) -> Json:
        return {"base": self.base, "protocols": self.tables["protocols"]}

    def table_text(self) -> str:
        """A row for each metric and protocol, and below it what was not computed, with the remedy."""
        frame = self.tables["protocols"]
        known = frame[frame["reason"].isna()].drop(columns="reason").sort_values("metric", kind="stable").set_index("metric")
        missing: dict[str, list[str]] = {}
        for row in self.rows:
            if row.get("reason"):
                missing.setdefault(row["reason"], []).append(f"{row['metric']} under {row['protocol']}")
        lines = [f"Not computed: {', '.join(names)}: {reason}" for reason, names in missing.items()]
        heading = f"Differences from {self.base}"
        return "\n\n".join([heading, table_text(known, DECIMALS), *(["\n".join(lines)] if lines else [])])

    def render(self, output: Path, reporter: Reporter) -> RenderedReport:
        """Write ``protocols.json`` and ``tables/protocols.csv``; there is no page."""
        path = output / "protocols.json"
        atomic_write(path, record_json({**self.summary(), "alerts": [each.message for each in self.warnings]}))
        return RenderedReport(None, path, (), tuple(write_tables(self.tables, [], output / "tables")), ())
