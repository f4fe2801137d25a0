"""Figures of the long-tail report.

Artists of system i carry the gid ``kind-i`` ("points-3"), which ``svg.inline`` turns into CSS classes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reaudio_eval.evaluations.longtail.tables import TRENDS, statistic_titles
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.reports.count_axis import DECADES, CountAxis
from reaudio_eval.reports.drawing import (
    Chart,
    axis_limits,
    draw_side_by_side,
    figure_style,
    new_figure,
    settle,
    upright_title,
    within,
)
from reaudio_eval.reports.palette import MUTED, SURFACE, SystemStyle, stratum_colours, system_styles
from reaudio_eval.reports.text import count, stratum_meaning
from reaudio_eval.scores.system_scores import MetricInfo, Range
from reaudio_eval.statistics.analysis import LongtailAnalysis

LAYERS = ("points", "bins", "smooth")  # of the frequency figure
DODGE = 0.16  # in decades: over which the bins of systems stand side by side, since their intervals would hide each other


def frequency_figure(
    analysis: LongtailAnalysis,
    metric: MetricInfo,
    *,
    show: Collection[str] = LAYERS,
    size: tuple[float, float] = (7.2, 4.1),
) -> Chart | None:
    """Class scores, their binned means and their smooth against the number of training clips, common to rare; None where no class has a
    score.

    Args:
        analysis: systems in the order of their colours.
        metric: of clip or label level.
        show: layers of ``LAYERS``: "points" (classes), "bins" (means of half a decade with 95% intervals), "smooth" (local
            average on log(1 + training clips) with its 95% band).
        size: inches.
    """
    points, curves, bins = (
        frame[(frame["metric"] == metric.name) & frame["value"].notna()]
        for frame in (analysis.per_class, analysis.curve, analysis.bins)
    )
    if points.empty:
        return None
    row_of = {label: i for i, label in enumerate(analysis.labels["label"])}
    behind: dict[str, list[int]] = {}
    axis = CountAxis.of(points["n_train"])
    with figure_style():
        fig = new_figure(*size)
        ax = fig.add_subplot()
        for i, (system, style) in enumerate(zip(analysis.systems, system_styles(analysis.systems), strict=True)):
            if "points" in show:
                classes = points[points["system"] == system.name].sort_values(["n_train", "label"], ascending=[False, True])
                behind[f"points-{i}"] = [row_of.get(label, -1) for label in classes["label"]]
                _points(ax, axis, classes, style, i)
            if "smooth" in show:
                _curve(ax, axis, curves[curves["system"] == system.name], style, i, system.kind == "generated")
            if "bins" in show:
                shift = DODGE * (i - (len(analysis.systems) - 1) / 2) / len(analysis.systems)
                _bins(ax, axis, bins[bins["system"] == system.name], style, i, shift)
        axis.draw(ax)
        axis.draw_strata(ax, analysis.strata)
        ax.set_ylim(*axis_limits(points["value"], curves["ci_low"], curves["ci_high"], metric.range))
        ax.set_ylabel(upright_title(metric))
        sns.despine(fig)
        return Chart(settle(fig), behind)


def _points(ax: Axes, axis: CountAxis, classes: pd.DataFrame, style: SystemStyle, i: int) -> None:
    ax.plot(axis.place_classes(classes["n_train"]), classes["value"], linestyle="none", marker=style.marker, markersize=3.4,
            color=style.colour.light, alpha=0.35, markeredgewidth=0.4, zorder=2, clip_on=False, gid=f"points-{i}")  # fmt: skip


def _bins(ax: Axes, axis: CountAxis, bins: pd.DataFrame, style: SystemStyle, i: int, shift: float) -> None:
    x = axis.place(bins["n_train"]) + shift
    ax.vlines(x, bins["ci_low"], bins["ci_high"], color=style.colour.light, linewidth=1.0, zorder=4, gid=f"binbar-{i}")
    ax.plot(x, bins["value"], linestyle="none", marker=style.marker, markersize=6.4, markerfacecolor=SURFACE.light, clip_on=False,
            markeredgecolor=style.colour.light, markeredgewidth=1.4, zorder=5, gid=f"bins-{i}")  # fmt: skip


def _curve(ax: Axes, axis: CountAxis, curve: pd.DataFrame, style: SystemStyle, i: int, generated: bool) -> None:
    """The smooth as far as classes seen in training go: the unseen ones are apart, and their mean is a bin."""
    curve = curve.sort_values("n_train")
    counts = curve["n_train"].to_numpy(dtype=np.float64)
    seen = np.concatenate([[axis.smallest], counts[counts > axis.smallest]]) if len(counts) else counts
    value, low, high = (
        np.interp(np.log1p(seen), np.log1p(counts), curve[column]) if len(counts) else counts
        for column in ("value", "ci_low", "ci_high")
    )
    x, colour = axis.place(seen), style.colour.light
    ax.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0, zorder=1, gid=f"band-{i}")
    ax.plot(x, value, color=colour, linestyle=style.dash, linewidth=2.0 if generated else 1.4, zorder=3, gid=f"line-{i}")


def strata_figure(analysis: LongtailAnalysis, metric: MetricInfo) -> Chart | None:
    """The value of each stratum with its interval, systems side by side; common to rare from left to right."""
    rows = analysis.by_stratum[(analysis.by_stratum["metric"] == metric.name) & analysis.by_stratum["value"].notna()]
    names = {s.name: s.title for s in analysis.strata if s.name in set(rows["stratum"])}
    if not names:
        return None
    with figure_style():
        fig = new_figure(4.3, 4.1)
        ax = fig.add_subplot()
        draw_side_by_side(ax, rows, names, analysis.systems, "stratum", metric.range)
        ax.set_ylabel(upright_title(metric))
        ax.set_xlabel("clips of each stratum" if metric.level == "set" else "mean over the classes of each stratum")
        sns.despine(fig)
        return Chart(settle(fig))


def trend_figure(analysis: LongtailAnalysis, metric: MetricInfo) -> Chart | None:
    """Gap between common and rare classes and slope of every system, with intervals, and a line at no effect."""
    rows = analysis.trend[(analysis.trend["metric"] == metric.name) & analysis.trend["value"].notna()]
    wanted = {name: statistic_titles(analysis)[name] for name in TRENDS}
    if not set(rows["statistic"]) & set(wanted):
        return None
    with figure_style():
        fig = new_figure(7.2, 0.9 + 0.3 * len(analysis.systems))
        axes = fig.subplots(1, 2, sharey=True)
        for ax, (statistic, title) in zip(axes, wanted.items(), strict=True):
            row_of = rows[rows["statistic"] == statistic].set_index("system")
            ax.axvline(0, color=MUTED.light, linewidth=0.7, linestyle=(0, (2, 3)), zorder=0)
            for i, (system, style) in enumerate(zip(analysis.systems, system_styles(analysis.systems), strict=True)):
                if system.name in row_of.index:
                    row = row_of.loc[system.name]
                    ax.hlines(i, row["ci_low"], row["ci_high"], color=style.colour.light, linewidth=1.5, gid=f"bar-{i}")
                    ax.plot(row["value"], i, marker=style.marker, color=style.colour.light, markersize=5, clip_on=False,
                            gid=f"mean-{i}")  # fmt: skip
            ax.set_xlabel(title)
            if statistic == "gap_head_tail" and len(row_of):
                _gap_limits(ax, row_of, metric)
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.tick_params(axis="y", length=0)
        axes[0].set_yticks(range(len(analysis.systems)), [s.name for s in analysis.systems])
        axes[0].invert_yaxis()
        sns.despine(fig, left=True)
        return Chart(settle(fig))


def _gap_limits(ax: Axes, rows: pd.DataFrame, metric: MetricInfo) -> None:
    """Zero and every interval, within the differences that the metric can have."""
    ends = rows[["value", "ci_low", "ci_high"]].to_numpy(dtype=np.float64)
    low, high = metric.range
    most = None if low is None or high is None else high - low
    bounds = Range(None if most is None else -most, most)
    ax.set_xlim(*within(bounds, min(0.0, float(np.nanmin(ends))), max(0.0, float(np.nanmax(ends))), 0.05))


def label_histogram_figure(labels: pd.DataFrame, strata: Sequence[Stratum], split: str = "test") -> Figure:
    """Training clips of every class from the most to the least frequent, and below it the test clips of the same class.

    Args:
        labels: columns n_train, n_<split>, stratum (as in ``LongtailAnalysis.labels``); classes without clips are left out.
        strata: that the classes are in, common to rare; each has a colour.
        split: what is compared with training.
    """
    counts = pd.DataFrame({"train": labels["n_train"], "test": labels[f"n_{split}"]}).astype("float64")
    order = counts.assign(stratum=labels["stratum"])[(counts > 0).any(axis=1)]
    order = order.sort_values(["train", "test"], ascending=False, kind="stable").reset_index(drop=True)
    colours = stratum_colours(strata)
    with figure_style():
        fig = new_figure(9.6, 3.5)
        top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
        for stratum in strata:
            classes = order[order["stratum"] == stratum.name]
            if classes.empty:
                continue
            title = f"{stratum_meaning(stratum)} ({count(len(classes), 'class', 'classes')})"
            edges = np.arange(classes.index[0], classes.index[-1] + 2) - 0.5
            for ax, column in ((top, "train"), (bottom, "test")):
                ax.stairs(classes[column], edges, fill=True, color=colours[stratum.name].light, linewidth=0, label=title)
        for ax, column, title in ((top, "train", "training clips"), (bottom, "test", f"{split} clips")):
            _log_counts(ax, int(order[column].max()) if len(order) else 1)
            ax.set_ylabel(title)
        if len(order):
            top.legend(loc="upper right", fontsize=8.5, handlelength=1.2, handleheight=0.9)
        top.tick_params(axis="x", length=0)
        bottom.set_ylim(bottom.get_ylim()[::-1])
        bottom.set_xlim(-1, max(len(order), 1))
        bottom.set_xlabel("classes, from the most to the least frequent in training")
        fig.align_ylabels()
        sns.despine(fig)
        return settle(fig)


def _log_counts(ax: Axes, largest: int) -> None:
    """A log axis on which a bar of height 1 is visible and 0 is empty."""
    ax.set_yscale("symlog", linthresh=1, linscale=0.35)
    ax.set_ylim(0, max(largest, 1) * 1.6)
    ax.set_yticks([0, *(d for d in DECADES if d <= largest), *([largest] if 1 < largest < 10 else [])])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.minorticks_off()
