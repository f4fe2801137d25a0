"""Figures of a report, in the page and as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.reports.drawing import Chart, add_legend
from reaudio_eval.reports.files import file_stem
from reaudio_eval.reports.svg import inline, save_figure


@dataclass
class FigureFiles:
    """Figures of one report.

    Attributes:
        systems: of the report, in its order; for the legend of the files.
        folder: where files go.
        written: files so far.
    """

    systems: Sequence[SystemInfo]
    folder: Path
    written: list[Path] = field(default_factory=list)

    def add(self, name: str, chart: Chart | None, finding: str, *, legend: bool = True) -> Markup | None:
        """The figure as inline SVG, written as SVG, PDF and PNG too; None stays None.

        Args:
            name: unique in the page; stem of the files.
            chart: or None where there is nothing to draw.
            finding: the figure's content in a sentence; its accessible title.
            legend: a legend in the files; the page has its own.
        """
        if chart is None:
            return None
        svg = inline(chart.figure, name, finding, chart.points)
        if legend:
            add_legend(chart, self.systems)
        self.written += save_figure(chart.figure, self.folder / file_stem(name))
        return svg
