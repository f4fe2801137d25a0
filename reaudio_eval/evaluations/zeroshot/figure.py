"""Figure of the scores of classes and regimes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis
from reaudio_eval.frames.rows import records
from reaudio_eval.reports.drawing import Chart, axis_limits, figure_style, new_figure, settle, upright_title
from reaudio_eval.reports.palette import RULE, SystemStyle, system_styles
from reaudio_eval.reports.text import count
from reaudio_eval.scores.system_scores import MetricInfo

SLOT = 0.82  # of a regime's width that is used
SPREAD = 0.55  # of a system's slot over which its classes lie


def regime_figure(analysis: ZeroshotAnalysis, metric: MetricInfo) -> Chart | None:
    """Means with 95% intervals and class points, regimes side by side; None where the metric has no value."""
    points = analysis.per_class[(analysis.per_class["metric"] == metric.name) & analysis.per_class["value"].notna()]
    means = analysis.by_regime[(analysis.by_regime["metric"] == metric.name) & analysis.by_regime["value"].notna()]
    regimes = list(records(analysis.regimes))
    if points.empty or not regimes:
        return None
    place = {r.regime: i for i, r in enumerate(regimes)}
    systems = analysis.base.systems
    width = SLOT / max(len(systems), 2)
    row_of = {label: i for i, label in enumerate(analysis.classes["label"])}
    behind: dict[str, list[int]] = {}
    with figure_style():
        fig = new_figure(9.6, 4.0)
        ax = fig.add_subplot()
        for i, (system, style) in enumerate(zip(systems, system_styles(systems), strict=True)):
            classes = points[points["system"] == system.name].sort_values(
                ["regime", "n_train", "label"], ascending=[True, False, True]
            )
            behind[f"points-{i}"] = [row_of[label] for label in classes["label"]]
            offset = (i - (len(systems) - 1) / 2) * width
            _draw_classes(ax, classes, place, offset, width, style, i)
            _draw_means(ax, means[means["system"] == system.name], place, offset, style, i)
        heads = [f"{r.title}\n{count(r.n_classes, 'class', 'classes')}, {count(r.n_clips, 'clip')}" for r in regimes]
        ax.set_xticks(range(len(regimes)), heads)
        ax.set_xlim(-0.5, len(regimes) - 0.5)
        ax.set_ylim(*axis_limits(points["value"], means["ci_low"], means["ci_high"], metric.range))
        for edge in range(1, len(regimes)):
            ax.axvline(edge - 0.5, color=RULE.light, linewidth=0.6, zorder=0)
        ax.set_ylabel(upright_title(metric))
        ax.tick_params(axis="x", length=0)
        sns.despine(fig)
        return Chart(settle(fig), behind)


def _draw_classes(
    ax: Axes, classes: pd.DataFrame, place: Mapping[str, int], offset: float, width: float, style: SystemStyle, i: int
) -> None:
    within = _within(classes["regime"].tolist()) * SPREAD * width
    ax.plot(classes["regime"].map(place).to_numpy(dtype=float) + offset + within, classes["value"], linestyle="none",
            marker=style.marker, markersize=2.8, color=style.colour.light, alpha=0.35, markeredgewidth=0.4, zorder=2, clip_on=False,
            gid=f"points-{i}")  # fmt: skip


def _draw_means(ax: Axes, means: pd.DataFrame, place: Mapping[str, int], offset: float, style: SystemStyle, i: int) -> None:
    x = means["regime"].map(place).to_numpy(dtype=float) + offset
    ax.vlines(x, means["ci_low"], means["ci_high"], color=style.colour.light, linewidth=1.6, zorder=3, gid=f"bar-{i}")
    ax.plot(x, means["value"], linestyle="none", marker=style.marker, markersize=6, color=style.colour.light, zorder=4, clip_on=False,
            markeredgewidth=1.3 if style.marker == "x" else 0.3, gid=f"mean-{i}")  # fmt: skip


def _within(regimes: list[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Positions from -0.5 to 0.5 of the classes of each regime, in their order."""
    total = {name: regimes.count(name) for name in set(regimes)}
    done = dict.fromkeys(total, 0)
    positions = np.zeros(len(regimes))
    for i, name in enumerate(regimes):
        positions[i] = (done[name] + 0.5) / total[name] - 0.5
        done[name] += 1
    return positions
