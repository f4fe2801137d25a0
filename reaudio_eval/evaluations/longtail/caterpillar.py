"""Figure of the classes with the worst predicted scores."""

from __future__ import annotations

import math

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reaudio_eval.evaluations.longtail.worst import Worst
from reaudio_eval.reports.drawing import Chart, axis_title, figure_style, new_figure, settle, within
from reaudio_eval.reports.palette import INK, MUTED, RULE, SURFACE, stratum_colours, system_styles
from reaudio_eval.reports.text import count
from reaudio_eval.statistics.analysis import LongtailAnalysis

ROW_INCHES, MARGIN_INCHES = 0.2, 1.35
LONGEST = 34  # letters of a name


def worst_figure(analysis: LongtailAnalysis, worst: Worst) -> Chart:
    """Predicted scores of the worst classes, worst on top, with 95 % intervals in the colour of their stratum; hollow: clip mean."""
    rows = worst.shown
    with figure_style():
        fig = new_figure(7.2, MARGIN_INCHES + ROW_INCHES * len(rows))
        fig.set_dpi(300)  # coarse pixels round the widths of letters, by up to a tenth: labels on the right would be cut
        ax = fig.add_subplot()
        _draw(ax, analysis, worst)
        _limits(ax, worst)
        _class_axis(ax, worst)
        ax.set_xlabel(axis_title(worst.metric))
        ax.xaxis.set_major_locator(MaxNLocator(7))
        _legend(fig, analysis, worst)
        sns.despine(fig, left=True)
        return Chart(settle(fig))


def _draw(ax: Axes, analysis: LongtailAnalysis, worst: Worst) -> None:
    rows, colours = worst.shown, stratum_colours(analysis.strata)
    ax.axvline(worst.mean, color=MUTED.light, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    for stratum, colour in colours.items():
        own = rows[rows["stratum"] == stratum]
        y = own.index.to_numpy(dtype=float)
        ax.hlines(y, own["shrunken_low"], own["shrunken_high"], color=colour.light, linewidth=1.5, zorder=3)
        ax.plot(own["shrunken"], y, linestyle="none", marker="o", markersize=5, color=colour.light, zorder=4, clip_on=False)
        ax.plot(own["value"], y, linestyle="none", marker="o", markersize=3.6, markerfacecolor=SURFACE.light,
                markeredgecolor=colour.light, markeredgewidth=0.8, zorder=5, clip_on=False)  # fmt: skip
    if worst.real:
        real = [worst.real.get(label, math.nan) for label in rows["label"]]
        ax.plot(real, rows.index, linestyle="none", marker="*", markersize=4.5, color=_real_colour(analysis), zorder=2,
                clip_on=False)  # fmt: skip


def _real_colour(analysis: LongtailAnalysis) -> str:
    styles = zip(analysis.systems, system_styles(analysis.systems), strict=True)
    return next(style.colour.light for system, style in styles if system.role == "real")


def _limits(ax: Axes, worst: Worst) -> None:
    ends = worst.shown[["value", "shrunken", "shrunken_low", "shrunken_high"]].to_numpy(dtype=np.float64)
    others = [worst.mean, *(worst.real[label] for label in worst.shown["label"] if label in worst.real)]
    ax.set_xlim(*within(worst.metric.range, min(np.nanmin(ends), *others), max(np.nanmax(ends), *others)))


def _class_axis(ax: Axes, worst: Worst) -> None:
    """Names on the left, bold where the class is worse than the mean with certainty; numbers of clips on the right."""
    rows = worst.shown
    ax.set_yticks(range(len(rows)), [_shortened(name) for name in rows["name"]])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    for tick, label in zip(ax.get_yticklabels(), rows["label"], strict=True):
        if label in worst.certain:
            tick.set_fontweight("bold")
            tick.set_color(INK.light)
    ax.grid(axis="y", color=RULE.light, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    right = ax.twinx()  # its tick labels are given room by the layout, which annotations and secondary axes are not
    right.set_ylim(ax.get_ylim())
    right.set_yticks(range(len(rows)), [count(n, "clip") for n in rows["n_clips"]], fontsize=7.5)
    right.tick_params(axis="y", length=0)
    sns.despine(ax=right, left=True)


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1].rstrip(' ,')}…"


def _legend(fig: Figure, analysis: LongtailAnalysis, worst: Worst) -> None:
    colours, present = stratum_colours(analysis.strata), set(worst.shown["stratum"])
    marks = [
        Line2D([], [], color=colours[s.name].light, marker="o", markersize=5, linewidth=1.5, label=s.title)
        for s in analysis.strata
        if s.name in present
    ]
    marks.append(
        Line2D([], [], linestyle="none", marker="o", markersize=3.6, markerfacecolor=SURFACE.light,
               markeredgecolor=MUTED.light, markeredgewidth=0.8, label="mean of its clips")
    )  # fmt: skip
    if worst.real:
        marks.append(
            Line2D(
                [],
                [],
                linestyle="none",
                marker="*",
                markersize=4.5,
                color=_real_colour(analysis),
                label="real audio, predicted",
            )
        )
    mean = Line2D([], [], color=MUTED.light, linewidth=0.9, linestyle=(0, (4, 3)), label="mean of all classes")
    fig.legend(handles=[*marks, mean], loc="outside upper left", ncols=4)
