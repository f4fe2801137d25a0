"""Figures of a listening report."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import seaborn as sns

from reaudio_eval.evaluations.listening.analysis import ListeningAnalysis
from reaudio_eval.evaluations.listening.records import QUESTIONS
from reaudio_eval.evaluations.listening.tables import system_infos, value_name
from reaudio_eval.reports.drawing import Chart, axis_title, draw_side_by_side, figure_style, new_figure, settle, within
from reaudio_eval.reports.palette import INK, MUTED, RULE, SURFACE, system_styles
from reaudio_eval.reports.text import listing
from reaudio_eval.scores.system_scores import MetricInfo, Range
from reaudio_eval.statistics.rows import ALL


def means_figure(analysis: ListeningAnalysis) -> Chart | None:
    """Means of every system on both questions, over all prompts and in each stratum, common to rare."""
    rows = analysis.means[analysis.means["value"].notna()]
    if rows.empty:
        return None
    names = {
        n: "all prompts" if n == ALL else analysis.key.title(n)
        for n in (ALL, *analysis.key.strata)
        if n in set(rows["stratum"])
    }
    with figure_style():
        fig = new_figure(7.2, 3.6)
        axes = fig.subplots(1, len(QUESTIONS), sharey=True)
        for ax, question in zip(axes, QUESTIONS, strict=True):
            values = rows[rows["question"] == question]
            if values.empty:
                ax.set_axis_off()
                continue
            draw_side_by_side(ax, values, names, system_infos(analysis), "stratum")
            ax.set_title(f"{question}: {QUESTIONS[question]}", fontsize=9, loc="left")
        # One scale for both: the last panel's limits would hide part of the other.
        low, high = rows[["value", "ci_low"]].min().min(), rows[["value", "ci_high"]].max().max()
        if analysis.key.design == "pairs":
            for ax in axes:
                ax.axhline(0.5, color=MUTED.light, linewidth=0.6, linestyle=(0, (2, 3)), zorder=0)
        bounds = Range(0.0, 1.0) if analysis.key.design == "pairs" else Range(1.0, float(analysis.key.scale))
        axes[0].set_ylim(*within(bounds, low, high, 0.05))
        axes[0].set_ylabel(value_name(analysis))
        sns.despine(fig)
        return Chart(settle(fig))


def means_finding(analysis: ListeningAnalysis) -> str:
    """Title of :func:`means_figure`."""
    parts = []
    for question in QUESTIONS:
        values = analysis.means[(analysis.means["question"] == question) & (analysis.means["stratum"] == ALL)]
        values = values[values["value"].notna()].sort_values("value", ascending=False)
        parts.append(
            f"{question}: {listing([f'{s} {v:.2f}' for s, v in zip(values['system'], values['value'], strict=True)])}"
        )
    return f"{value_name(analysis)[0].upper()}{value_name(analysis)[1:]}. {'; '.join(parts)}."


def clip_scores(analysis: ListeningAnalysis, metric: MetricInfo) -> pd.DataFrame:
    """question, prompt, system, value (of listeners), score (of the metric) of generated systems' clips."""
    generated = {s.name for s in analysis.key.systems if s.kind == "generated"}
    rows = [(s.clip_id, s.system, s.value) for s in analysis.key.scores if s.metric == metric.name and s.clip_id is not None]
    scores = pd.DataFrame(rows, columns=["prompt", "system", "score"])
    return analysis.clips[analysis.clips["system"].isin(generated)].merge(scores, on=["prompt", "system"])


def scatter_figure(analysis: ListeningAnalysis, metric: MetricInfo) -> Chart | None:
    """Each clip's metric against its mean rating; None where no clip has both."""
    clips = clip_scores(analysis, metric)
    if clips.empty:
        return None
    with figure_style():
        fig = new_figure(7.2, 3.4)
        axes = fig.subplots(1, len(QUESTIONS), sharey=True)
        infos = system_infos(analysis)
        for ax, question in zip(axes, QUESTIONS, strict=True):
            for i, (system, style) in enumerate(zip(infos, system_styles(infos), strict=True)):
                values = clips[(clips["question"] == question) & (clips["system"] == system.name)]
                ax.plot(values["score"], values["value"], linestyle="none", marker=style.marker, markersize=4.5,
                        color=style.colour.light, alpha=0.6, markeredgewidth=0.4, gid=f"points-{i}")  # fmt: skip
            ax.set_title(f"{question}: {QUESTIONS[question]}", fontsize=9, loc="left")
        fig.supxlabel(axis_title(metric), fontsize=8.5, color=MUTED.light)
        axes[0].set_ylabel(f"{value_name(analysis)} of the clip")
        sns.despine(fig)
        return Chart(settle(fig))


def forest_figure(analysis: ListeningAnalysis) -> Chart | None:
    """Spearman's correlation of every metric with the listeners over single clips, both questions; None without any."""
    rows = analysis.metrics
    rows = rows[(rows["level"] == "clip") & (rows["statistic"] == "spearman") & rows["value"].notna()]
    names = [m for m in analysis.key.metrics if m.name in set(rows["metric"])]
    if not names:
        return None
    with figure_style():
        fig = new_figure(7.2, 1.0 + 0.42 * len(names))
        ax = fig.add_subplot()
        ax.axvline(0, color=MUTED.light, linewidth=0.7, linestyle=(0, (2, 3)), zorder=0)
        for k, question in enumerate(QUESTIONS):
            values = rows[rows["question"] == question].set_index("metric").reindex([m.name for m in names])
            y = np.arange(len(names), dtype=float) + (k - 0.5) * 0.3
            ax.hlines(y, values["ci_low"], values["ci_high"], color=INK.light, linewidth=1.3)
            fill = INK.light if k else SURFACE.light
            ax.plot(values["value"], y, linestyle="none", marker="os"[k], markersize=5, color=INK.light, markerfacecolor=fill,
                    clip_on=False, label=f"{question}: {QUESTIONS[question]}")  # fmt: skip
        ax.set_yticks(range(len(names)), [m.title for m in names])
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_xlim(-1, 1)
        ax.set_xlabel("Spearman correlation with the listeners over single clips")
        ax.grid(axis="x", color=RULE.light, linewidth=0.5)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
        sns.despine(fig, left=True)
        return Chart(settle(fig))


def forest_finding(analysis: ListeningAnalysis) -> str:
    """Title of :func:`forest_figure`."""
    titles = {m.name: m.title for m in analysis.key.metrics}
    rows = analysis.metrics[(analysis.metrics["level"] == "clip") & (analysis.metrics["statistic"] == "spearman")]
    parts = [
        f"{titles[m]} {v:.2f} ({q})"
        for m, q, v in zip(rows["metric"], rows["question"], rows["value"], strict=True)
        if math.isfinite(v)
    ]
    return f"Spearman correlation of metrics with the listeners: {listing(parts)}."
