"""The figure of copying: how near generated and real clips come to what was retrieved, a panel for each generated system."""

from __future__ import annotations

import math

import seaborn as sns

from reaudio_eval.reports.drawing import Chart, figure_style, new_figure, settle
from reaudio_eval.reports.palette import MUTED, RULE, system_styles
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.frames import lookup

COLUMNS = 4
SIZE = 2.45  # inches of a panel


def copying_figure(analysis: LongtailAnalysis, embedder: str) -> Chart | None:
    """Similarity to the nearest neighbour of each prompt, real clip to the right and generated clip upwards, with the line on which they
    agree and, dashed, where near copies begin; None without a generated system that has such values."""
    copies = analysis.copying.copies[analysis.copying.copies["embedder"] == embedder]
    shown = [(i, s) for i, s in enumerate(analysis.systems) if s.kind == "generated" and s.name in set(copies["system"])]
    if not shown:
        return None
    limits = lookup(analysis.copying.summary, "system", "embedder", "quantity")
    styles = system_styles(analysis.systems)
    names = [s.name for _, s in shown]
    values = copies.loc[copies["system"].isin(names), ["similarity", "real_similarity"]].to_numpy()
    low = max(-1.0, math.floor(float(values.min()) * 10) / 10)
    n_columns = min(COLUMNS, len(shown))
    n_rows = math.ceil(len(shown) / COLUMNS)
    with figure_style():
        fig = new_figure(max(n_columns, 2) * SIZE, n_rows * SIZE + 0.35)
        axes = fig.subplots(n_rows, max(n_columns, 2), sharex=True, sharey=True, squeeze=False)
        for ax in axes.flat[len(shown) :]:
            ax.set_visible(False)
        for ax, (i, system) in zip(axes.flat, shown, strict=False):
            own = copies[copies["system"] == system.name]
            ax.plot([low, 1], [low, 1], color=MUTED.light, linewidth=0.8, zorder=1)
            limit = limits[system.name, embedder, "limit"].value
            if math.isfinite(limit):
                ax.axhline(limit, color=MUTED.light, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
            ax.plot(own["real_similarity"], own["similarity"], linestyle="none", marker=styles[i].marker, markersize=3.6,
                    color=styles[i].colour.light, alpha=0.55, markeredgewidth=0.3, zorder=2, gid=f"copies-{i}")  # fmt: skip
            ax.set_title(system.name, fontsize=8.5, color=MUTED.light)
            ax.set_xlim(low, 1.03)
            ax.set_ylim(low, 1.03)
            ax.set_aspect("equal")
            ax.grid(visible=True, color=RULE.light, linewidth=0.5, zorder=0)
        fig.supxlabel("real clip: cosine with its nearest neighbour", fontsize=8.5, color=MUTED.light)
        fig.supylabel("generated clip", fontsize=8.5, color=MUTED.light)
        sns.despine(fig)
        return Chart(settle(fig))
