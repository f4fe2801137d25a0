"""Reports whose figures are not drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from markupsafe import Markup
from matplotlib.figure import Figure

from reaudio_eval.reports.figure_files import FigureFiles


@contextmanager
def titles_of_figures() -> Iterator[None]:
    """Figures are made, but neither laid out nor drawn, which takes most of a report's time: a page has their titles alone."""

    def title(self: FigureFiles, name: str, chart: object, finding: str, *, legend: bool = True) -> Markup | None:
        return None if chart is None else Markup("<svg><title>{}</title></svg>").format(finding)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FigureFiles, "add", title)
        patch.setattr(Figure, "draw_without_rendering", lambda self: None)
        yield
