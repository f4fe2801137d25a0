"""Figure of a plan: power against the number of classes."""

from __future__ import annotations

import seaborn as sns

from reaudio_eval.evaluations.plan.report import curves
from reaudio_eval.evaluations.plan.result import PlanResult
from reaudio_eval.reports.drawing import Chart, figure_style, new_figure, settle
from reaudio_eval.reports.palette import MUTED, system_styles
from reaudio_eval.reports.text import count, listing


def power_figure(result: PlanResult) -> Chart:
    """A chart for each number of seeds, a line for each number of prompts, with the intervals of the simulation; dotted: the power asked
    for."""
    frame = result.frames["power"]
    seeds = sorted(set(frame["seeds"]))
    ticks = sorted(set(frame["classes"]))
    with figure_style():
        fig = new_figure(max(4.2, 2.4 * len(seeds) + 0.6), 3.0)
        axes = fig.subplots(1, len(seeds), sharey=True, squeeze=False)[0]
        for ax, n_seeds in zip(axes, seeds, strict=True):
            ax.axhline(result.request.power, color=MUTED.light, linewidth=0.7, linestyle=(0, (2, 3)), zorder=0)
            for i, (per_class, style) in enumerate(zip(result.per_class, system_styles(curves(result)), strict=True)):
                rows = frame[(frame["seeds"] == n_seeds) & (frame["per_class"] == per_class)].sort_values("classes")
                x = rows["classes"].to_numpy(dtype=float)
                colour = style.colour.light
                ax.vlines(x, rows["power_low"], rows["power_high"], color=colour, linewidth=1.2, gid=f"bar-{i}")
                ax.plot(
                    x, rows["power"], color=colour, linewidth=1.4, linestyle=style.dash, marker=style.marker,
                    markersize=4.5, clip_on=False, gid=f"mean-{i}",
                )  # fmt: skip
            ax.set_xscale("log")
            ax.set_xticks(ticks, [f"{n:,}" for n in ticks])
            ax.minorticks_off()
            ax.set_title(f"{count(n_seeds, 'clip')} of each prompt", fontsize=9, color=MUTED.light)
            ax.set_xlabel("classes (log scale)")
        axes[0].set_ylim(0, 1)
        axes[0].set_ylabel("power")
        sns.despine(fig)
        return Chart(settle(fig))


def power_finding(result: PlanResult) -> str:
    """Title of :func:`power_figure`."""
    frame = result.frames["power"]
    most = frame[frame["classes"] == frame["classes"].max()]
    ends = [f"{low:.2f} to {high:.2f} with {count(n, 'clip')} of each prompt" for n, low, high in (
        (n, rows["power"].min(), rows["power"].max()) for n, rows in most.groupby("seeds"))]  # fmt: skip
    return f"Power in {frame['classes'].max():,} classes, over the numbers of prompts: {listing(ends)}."
