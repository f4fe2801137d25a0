"""Figure of the similarity to retrieved clips."""

from __future__ import annotations

import math

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from reaudio_eval.frames.rows import lookup
from reaudio_eval.reports.drawing import Chart, figure_style, new_figure, settle
from reaudio_eval.reports.palette import MUTED, RULE, SystemStyle, system_styles
from reaudio_eval.statistics.analysis import LongtailAnalysis

COLUMNS = 4
SIZE = 2.45  # inches of a panel


def copying_figure(analysis: LongtailAnalysis, embedder: str) -> Chart | None:
    """A panel for each generated system: the similarity of each prompt's generated clip against that of its real clip.

    The line is equality, the dashed line the threshold of near copies. None without a generated system that has values.
    """
    copies = analysis.copying.copies[analysis.copying.copies["embedder"] == embedder]
    shown = [(i, s) for i, s in enumerate(analysis.systems) if s.kind == "generated" and s.name in set(copies["system"])]
    if not shown:
        return None
    limits = lookup(analysis.copying.summary, "system", "embedder", "quantity")
    styles = system_styles(analysis.systems)
    drawn = copies.loc[copies["system"].isin([s.name for _, s in shown]), ["similarity", "real_similarity"]]
    low = max(-1.0, math.floor(float(drawn.to_numpy().min()) * 10) / 10)
    n_columns, n_rows = max(2, min(COLUMNS, len(shown))), math.ceil(len(shown) / COLUMNS)
    with figure_style():
        fig = new_figure(n_columns * SIZE, n_rows * SIZE + 0.35)
        axes = fig.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
        for ax in axes.flat[len(shown) :]:
            ax.set_visible(False)
        for ax, (i, system) in zip(axes.flat, shown, strict=False):
            limit = limits[system.name, embedder, "limit"].value
            _panel(ax, copies[copies["system"] == system.name], low, limit, styles[i], f"copies-{i}")
            ax.set_title(system.name, fontsize=8.5, color=MUTED.light)
        fig.supxlabel("real clip: cosine with its nearest neighbour", fontsize=8.5, color=MUTED.light)
        fig.supylabel("generated clip", fontsize=8.5, color=MUTED.light)
        sns.despine(fig)
        return Chart(settle(fig))


def _panel(ax: Axes, copies: pd.DataFrame, low: float, limit: float, style: SystemStyle, gid: str) -> None:
    ax.plot([low, 1], [low, 1], color=MUTED.light, linewidth=0.8, zorder=1)
    if math.isfinite(limit):
        ax.axhline(limit, color=MUTED.light, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    ax.plot(copies["real_similarity"], copies["similarity"], linestyle="none", marker=style.marker, markersize=3.6,
            color=style.colour.light, alpha=0.55, markeredgewidth=0.3, zorder=2, clip_on=False, gid=gid)  # fmt: skip
    ax.set_xlim(low, 1)
    ax.set_ylim(low, 1)
    ax.set_aspect("equal")
    ax.grid(visible=True, color=RULE.light, linewidth=0.5, zorder=0)
