"""Style, axes and layout of all figures.

Figures are explicit (no pyplot, no global state), in the palette's light colours.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import fill
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.reports.palette import INK, MUTED, RULE, SURFACE, system_styles
from reaudio_eval.scores.system_scores import UNBOUNDED, MetricInfo, Range

PAD = 0.07  # inches at the sides: widths of letters are rounded to pixels, so that text can be wider in a file than in the layout
CROWDED = 3  # more generated systems than this: intervals and points of all at once hide each other


class Chart(NamedTuple):
    """A figure and, for each group of points, the row of ``analysis.labels`` behind every point."""

    figure: Figure
    points: Mapping[str, Sequence[int]] = {}


@contextmanager
def figure_style() -> Iterator[None]:
    """Everything that draws or lays out a figure happens inside."""
    rc: dict[Any, Any] = {
        "text.parse_math": False,  # a dollar sign in a name is a dollar sign
        "axes.edgecolor": RULE.light,
        "axes.labelcolor": MUTED.light,
        "text.color": INK.light,
        "xtick.color": MUTED.light,
        "ytick.color": MUTED.light,
        "grid.color": RULE.light,
        "figure.facecolor": SURFACE.light,
        "axes.facecolor": SURFACE.light,
        "font.family": ["sans-serif"],
        # Files are written outside of this style: with seaborn's own list, layout would measure another font than is drawn.
        "font.sans-serif": mpl.rcParamsDefault["font.sans-serif"],
        "font.size": 8.5,
        "axes.labelsize": 8.5,
        "axes.linewidth": 0.8,
        "legend.frameon": False,
        "legend.fontsize": 7.5,
    }
    with mpl.rc_context(), sns.axes_style("ticks"), mpl.rc_context(rc), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in a script that the font lacks: boxes in PNG and PDF
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def settle(figure: Figure) -> Figure:
    """Lay out once and keep that: each file drawn later would otherwise do it again.

    The engine is taken away rather than set to "none", which matplotlib too takes for one, drawing everything twice. Marks that are not
    clipped take no part in the layout: the extent of a group without points is the whole plane.
    """
    for line in (line for ax in figure.axes for line in ax.lines if not line.get_clip_on()):
        line.set_in_layout(False)
    figure.set_layout_engine("constrained", w_pad=PAD)
    figure.draw_without_rendering()
    figure.set_layout_engine(None)
    return figure


def short_lines(title: str) -> str:
    """ "rare 1-9" in two lines, longer titles in lines of up to 12 letters, so that titles stay apart."""
    return title.replace(" ", "\n", 1) if len(title) < 24 else fill(title, 12)


def axis_limits(
    values: pd.Series[float], low: pd.Series[float], high: pd.Series[float], bounds: Range = UNBOUNDED
) -> tuple[float, float]:
    """Range of the values and of the intervals that are not much wider, with a margin, within the ``bounds`` of the metric.

    A wider interval (two classes in a stratum) runs off the axis instead of compressing the others. Draw values with ``clip_on=False``: a
    marker at a bound would be cut in half.
    """
    width = high - low
    wide = max(float(values.max() - values.min()), 2 * float(width.median()) if width.notna().any() else 0.0) or 1.0
    narrow = width <= wide
    bottom = min(float(values.min()), float(low[narrow].min()) if narrow.any() else np.inf)
    top = max(float(values.max()), float(high[narrow].max()) if narrow.any() else -np.inf)
    return within(bounds, bottom, top)


def within(bounds: Range, bottom: float, top: float, margin: float = 0.04) -> tuple[float, float]:
    """Limits with a relative margin around ``bottom`` and ``top``, which does not go beyond the bounds of the metric."""
    space = margin * (top - bottom or 1.0)
    low, high = (side if bound is None else bound for bound, side in zip(bounds, (-np.inf, np.inf), strict=True))
    return max(bottom - space, low), min(top + space, high)


def draw_side_by_side(
    ax: Axes,
    rows: pd.DataFrame,
    names: Mapping[str, str],
    systems: Sequence[SystemInfo],
    column: str,
    bounds: Range = UNBOUNDED,
) -> None:
    """Values and intervals of every system at each of ``names``, systems side by side.

    Args:
        ax: where; limits and ticks are set.
        rows: system, value, ci_low, ci_high and ``column``, whose values are ``names``; values are defined.
        names: with their titles, from left to right.
        systems: in the order of their styles.
        column: e.g. "stratum".
        bounds: of the metric.
    """
    place = {name: k for k, name in enumerate(names)}
    offsets = (np.arange(len(systems)) - (len(systems) - 1) / 2) * 0.72 / max(len(systems), 3)
    for i, (system, style) in enumerate(zip(systems, system_styles(systems), strict=True)):
        values = rows[rows["system"] == system.name].sort_values(column, key=lambda s: s.map(place))
        x = values[column].map(place).to_numpy(dtype=float) + offsets[i]
        ax.vlines(x, values["ci_low"], values["ci_high"], color=style.colour.light, linewidth=1.4, gid=f"bar-{i}")
        ax.plot(x, values["value"], linestyle="none", marker=style.marker, markersize=5, color=style.colour.light, clip_on=False,
                markeredgewidth=1.2 if style.marker == "x" else 0.3, gid=f"mean-{i}")  # fmt: skip
    ax.set_xticks(range(len(names)), [short_lines(title) for title in names.values()])
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_ylim(*axis_limits(rows["value"], rows["ci_low"], rows["ci_high"], bounds))
    for edge in range(1, len(names)):
        ax.axvline(edge - 0.5, color=RULE.light, linewidth=0.6, zorder=0)
    ax.tick_params(axis="x", length=0)


def add_legend(chart: Chart, systems: Sequence[SystemInfo]) -> None:
    """A legend below, for the figure outside the page; bands of many systems are left out, since they hide each other."""
    handles = [
        Line2D([], [], color=style.colour.light, linestyle=style.dash, marker=style.marker, markersize=4)
        for style in system_styles(systems)
    ]
    names = [s.name for s in systems]
    with figure_style():
        columns = max(1, min(len(names), int(chart.figure.get_figwidth() / 1.4)))
        chart.figure.legend(handles, names, loc="outside lower center", ncols=columns)
        if sum(s.kind == "generated" for s in systems) > CROWDED:
            for artist in chart.figure.findobj(lambda a: str(a.get_gid()).startswith("band-")):
                artist.set_visible(False)
        settle(chart.figure)


def axis_title(metric: MetricInfo) -> str:
    """The metric's title with its unit and direction."""
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{metric.title}{unit} ({_better(metric)})"


def upright_title(metric: MetricInfo) -> str:
    """:func:`axis_title` in lines, for a vertical axis, which is too short for one."""
    title, bracket, network = metric.title.partition(" (")
    lines = [title + (f", {metric.unit}" if metric.unit else ""), bracket.strip() + network, _better(metric)]
    return "\n".join(filter(None, lines))


def _better(metric: MetricInfo) -> str:
    if metric.target is not None:
        return f"ideal {metric.target:g}"
    return f"{metric.better} is better"
