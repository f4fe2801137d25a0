"""Figures of the long-tail report.

Artists of system i carry the gid ``kind-i`` ("points-3"), which ``svg.inline`` turns into CSS classes.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reaudio_eval.reports.drawing import (
    DECADES,
    Chart,
    axis_limits,
    axis_title,
    count_axis,
    draw_side_by_side,
    figure_style,
    log_count,
    new_figure,
    settle,
)
from reaudio_eval.reports.palette import MUTED, STRATA, SURFACE, SystemStyle, system_styles
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis

LAYERS = ("points", "bins", "smooth")  # of the frequency figure


def _label_strata(ax: Axes, analysis: LongtailAnalysis) -> None:
    """Edges between the strata and their names along the top."""
    left, right = ax.get_xlim()
    for stratum in analysis.strata:
        low = float(log_count(max(stratum.low - 0.5, -0.5)))
        high = right if stratum.high is None else min(float(log_count(stratum.high - 0.5)), right)
        low = max(low, left)
        if high <= low:
            continue
        if low > left:
            ax.axvline(low, color=MUTED.light, linewidth=0.6, linestyle=(0, (2, 3)), zorder=0)
        narrow = (high - low) / (right - left) < 0.09
        ax.annotate(
            stratum.name, ((low + high) / 2, 1), (0, 3), xycoords=ax.get_xaxis_transform(), textcoords="offset points",
            ha="left" if narrow else "center", va="bottom", rotation=35 if narrow else 0, color=MUTED.light, fontsize=8,
        )  # fmt: skip


def frequency_figure(
    analysis: LongtailAnalysis,
    metric: MetricInfo,
    *,
    show: Collection[str] = LAYERS,
    size: tuple[float, float] = (7.2, 4.1),
) -> Chart | None:
    """Class scores, their binned means and their smooth against the number of training clips; None where no class has a score.

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
    with figure_style():
        fig = new_figure(*size)
        ax = fig.add_subplot()
        for i, (system, style) in enumerate(zip(analysis.systems, system_styles(analysis.systems), strict=True)):
            if "points" in show:
                classes = points[points["system"] == system.name].sort_values(["n_train", "label"])
                behind[f"points-{i}"] = [row_of.get(label, -1) for label in classes["label"]]
                _points(ax, classes, style, i)
            if "smooth" in show:
                curve = curves[curves["system"] == system.name].sort_values("n_train")
                _curve(ax, curve, style, i, system.kind == "generated")
            if "bins" in show:
                _bins(ax, bins[bins["system"] == system.name], style, i)
        _frequency_axes(ax, analysis, metric, points, curves)
        sns.despine(fig)
        return Chart(settle(fig), behind)


def _frequency_axes(
    ax: Axes, analysis: LongtailAnalysis, metric: MetricInfo, points: pd.DataFrame, curves: pd.DataFrame
) -> None:
    largest = int(points["n_train"].max())
    count_axis(ax, largest)
    ax.set_xlim(float(log_count(points["n_train"].min())) - 0.12, float(log_count(largest)) + 0.12)
    ax.set_ylim(*axis_limits(points["value"], curves["ci_low"], curves["ci_high"]))
    ax.set_ylabel(axis_title(metric))
    _label_strata(ax, analysis)


def _points(ax: Axes, classes: pd.DataFrame, style: SystemStyle, i: int) -> None:
    ax.plot(log_count(classes["n_train"]), classes["value"], linestyle="none", marker=style.marker, markersize=3.4,
            color=style.colour.light, alpha=0.35, markeredgewidth=0.4, zorder=2, gid=f"points-{i}")  # fmt: skip


def _bins(ax: Axes, bins: pd.DataFrame, style: SystemStyle, i: int) -> None:
    x = log_count(bins["n_train"])
    ax.vlines(x, bins["ci_low"], bins["ci_high"], color=style.colour.light, linewidth=1.0, zorder=4, gid=f"binbar-{i}")
    ax.plot(x, bins["value"], linestyle="none", marker=style.marker, markersize=6.4, markerfacecolor=SURFACE.light,
            markeredgecolor=style.colour.light, markeredgewidth=1.4, zorder=5, gid=f"bins-{i}")  # fmt: skip


def _curve(ax: Axes, curve: pd.DataFrame, style: SystemStyle, i: int, generated: bool) -> None:
    x = log_count(curve["n_train"])
    colour = style.colour.light
    ax.fill_between(x, curve["ci_low"], curve["ci_high"], color=colour, alpha=0.14, linewidth=0, zorder=1, gid=f"band-{i}")
    ax.plot(x, curve["value"], color=colour, linestyle=style.dash, linewidth=2.0 if generated else 1.4, zorder=3,
            gid=f"line-{i}")  # fmt: skip


def strata_figure(analysis: LongtailAnalysis, metric: MetricInfo) -> Chart | None:
    """The value of each stratum with its interval, systems side by side; strata from rare to frequent."""
    rows = analysis.by_stratum[(analysis.by_stratum["metric"] == metric.name) & analysis.by_stratum["value"].notna()]
    names = [s.name for s in sorted(analysis.strata, key=lambda s: s.low) if s.name in set(rows["stratum"])]
    if not names:
        return None
    with figure_style():
        fig = new_figure(4.3, 4.1)
        ax = fig.add_subplot()
        draw_side_by_side(ax, rows, names, analysis.systems, "stratum")
        ax.set_ylabel(axis_title(metric))
        ax.set_xlabel("clips of each stratum" if metric.level == "set" else "mean over the classes of each stratum")
        sns.despine(fig)
        return Chart(settle(fig))


def trend_figure(analysis: LongtailAnalysis, metric: MetricInfo) -> Chart | None:
    """Head-tail gap and slope of every system with intervals, and a line at no effect."""
    rows = analysis.trend[(analysis.trend["metric"] == metric.name) & analysis.trend["value"].notna()]
    wanted = {"gap_head_tail": "head minus tail", "slope": "slope per tenfold training clips"}
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
                    ax.plot(row["value"], i, marker=style.marker, color=style.colour.light, markersize=5, gid=f"mean-{i}")
            ax.set_xlabel(title)
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.tick_params(axis="y", length=0)
        axes[0].set_yticks(range(len(analysis.systems)), [s.name for s in analysis.systems])
        axes[0].invert_yaxis()
        sns.despine(fig, left=True)
        return Chart(settle(fig))


def label_histogram_figure(labels: pd.DataFrame, split: str = "test") -> Figure:
    """Training clips of every class from the most to the least frequent, and below it the test clips of the same class.

    Args:
        labels: columns n_train, n_<split>, stratum (as in ``LongtailAnalysis.labels``); classes without clips are left out.
        split: what is compared with training.
    """
    counts = pd.DataFrame({"train": labels["n_train"], "test": labels[f"n_{split}"]}).astype("float64")
    order = counts.assign(stratum=labels["stratum"])[(counts > 0).any(axis=1)]
    order = order.sort_values(["train", "test"], ascending=False, kind="stable").reset_index(drop=True)
    strata = list(dict.fromkeys(order["stratum"].dropna()))
    with figure_style():
        fig = new_figure(9.6, 3.5)
        top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
        for k, stratum in enumerate(strata):
            classes = order[order["stratum"] == stratum]
            colour = STRATA[-1 if (classes["train"] == 0).all() else min(k, len(STRATA) - 2)].light
            for ax, column in ((top, "train"), (bottom, "test")):
                ax.bar(classes.index, classes[column], width=1.0, color=colour, linewidth=0)
            _name_stratum(top, stratum, classes.index.to_numpy(), len(order))
        for ax, column, title in ((top, "train", "training clips"), (bottom, "test", f"{split} clips")):
            _log_counts(ax, int(order[column].max()) if len(order) else 1)
            ax.set_ylabel(title)
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
    ax.set_yticks([*(d for d in DECADES if d <= largest), *([largest] if 1 < largest < 10 else [])])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.minorticks_off()


def _name_stratum(ax: Axes, name: str, ranks: npt.NDArray[np.int64], total: int) -> None:
    narrow = len(ranks) / total < 0.12
    ax.annotate(
        f"{name} · {len(ranks)}", (float(ranks.mean()), 1), (0, 3), xycoords=ax.get_xaxis_transform(),
        textcoords="offset points", ha="left" if narrow else "center", va="bottom", rotation=25 if narrow else 0,
        fontsize=8, color=MUTED.light,
    )  # fmt: skip
