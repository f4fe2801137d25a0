"""Figures of the factors of a sweep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reaudio_eval.evaluations.sweep.analysis import Sweep
from reaudio_eval.evaluations.sweep.cells import Axis, show
from reaudio_eval.evaluations.sweep.tables import strata_of
from reaudio_eval.prompts.strata import stratum_titles
from reaudio_eval.reports.drawing import Chart, axis_limits, figure_style, new_figure, settle, upright_title, within
from reaudio_eval.reports.palette import INK, MUTED, RULE, SURFACE, Colour, stratum_colours
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.rows import ALL
from reaudio_eval.statistics.thresholds import ALPHA


def factor_figure(sweep: Sweep, axis: Axis, metric: MetricInfo) -> Chart | None:
    """The metric over the values of a factor, a chart for all clips and one for each stratum; None where it has no value.

    Filled points are significantly different from the reference.
    """
    curves = sweep.curves
    rows = curves[(curves["factor"] == axis.factor.name) & (curves["metric"] == metric.name) & curves["value"].notna()]
    strata = [s for s in strata_of(sweep) if s in set(rows["stratum"])]
    if not strata:
        return None
    place = dict(zip((show(v) for v, _ in axis.points), _positions(axis), strict=True))
    limits = axis_limits(rows["value"], rows["ci_low"], rows["ci_high"], metric.range)
    titles = {ALL: "all clips", **stratum_titles(sweep.analysis.strata)}
    colours = {ALL: INK, **stratum_colours(sweep.analysis.strata)}
    with figure_style():
        fig = new_figure(max(4.2, 1.95 * len(strata) + 0.4), 2.75)
        axes = fig.subplots(1, len(strata), sharey=True, squeeze=False)[0]
        for ax, stratum in zip(axes, strata, strict=True):
            values = rows[rows["stratum"] == stratum]
            if axis.factor.chance and len(values) > 1:
                mean, sd = float(values["value"].mean()), float(values["value"].std(ddof=1))
                ax.axhspan(*within(metric.range, mean - sd, mean + sd, 0), color=RULE.light, linewidth=0, zorder=0)
            _small_chart(ax, values, place, colours[stratum], axis.factor.numeric)
            ax.set_title(titles[stratum], fontsize=9, color=MUTED.light)
            ax.set_xticks(list(place.values()), [name.replace("+", "\n+ ") for name in place])
            margin = 0.18 * (max(place.values()) - min(place.values()) or 1.0)
            ax.set_xlim(min(place.values()) - margin, max(place.values()) + margin)
        axes[0].set_ylim(*limits)
        axes[0].yaxis.set_major_locator(MaxNLocator(5))
        axes[0].set_ylabel(upright_title(metric))
        fig.supxlabel(axis.factor.title, fontsize=8.5, color=MUTED.light)
        sns.despine(fig)
        return Chart(settle(fig))


def _positions(axis: Axis) -> list[float]:
    """Numbers on the scale log(1 + value); categories side by side."""
    if axis.factor.numeric:
        return [float(np.log1p(float(value))) for value, _ in axis.points]
    return [float(i) for i in range(len(axis.points))]


def _small_chart(ax: Axes, rows: pd.DataFrame, place: dict[str, float], colour: Colour, line: bool) -> None:
    x = rows["setting"].map(place).to_numpy(dtype=float)
    is_reference = rows["reference"].to_numpy(dtype=bool)
    reference = rows.loc[is_reference, "value"]
    if len(reference):
        ax.axhline(float(reference.iloc[0]), color=MUTED.light, linewidth=0.7, linestyle=(0, (2, 3)), zorder=0)
    if line:
        ax.fill_between(x, rows["ci_low"], rows["ci_high"], color=colour.light, alpha=0.14, linewidth=0, zorder=1)
        ax.plot(x, rows["value"], color=colour.light, linewidth=1.8, zorder=2)
    else:
        ax.vlines(x, rows["ci_low"], rows["ci_high"], color=colour.light, linewidth=1.4, zorder=2)
    different = (rows["p_holm"] < ALPHA).to_numpy(dtype=bool)
    options: dict[str, Any] = {"linestyle": "none", "markersize": 5.5, "markeredgewidth": 1.4, "color": colour.light}
    options["clip_on"] = False  # at a bound of the metric the axis ends
    for chosen, marker, fill in (
        (different, "o", colour.light), (~different & ~is_reference, "o", SURFACE.light), (is_reference, "D", SURFACE.light),
    ):  # fmt: skip
        ax.plot(x[chosen], rows["value"][chosen], marker=marker, markerfacecolor=fill, zorder=3, **options)
