"""Figure of gains and losses by class and stratum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.evaluations.compare.tables import gain, position
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.reports.drawing import Chart, axis_title, figure_style, new_figure, settle, within
from reaudio_eval.reports.palette import MUTED, RULE, SystemStyle, system_styles
from reaudio_eval.reports.text import count, number, p_value
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo

MOST = 40  # classes in one figure; beyond, the largest gains and losses
EXTREMES = 15  # gains, and losses, shown then
MIN_CLIPS, ENOUGH = 3, 10  # extremes are of classes with so many clips, if there are enough of those
ROW_INCHES, MARGIN_INCHES = 0.19, 1.15


class Line(NamedTuple):
    """One row: both values, and the text left and right of them."""

    name: str
    value: float
    baseline: float
    detail: str


class Block(NamedTuple):
    """Rows under a title, common to rare."""

    title: str
    lines: Sequence[Line]


def dumbbell_figure(comparison: Comparison, metric: MetricInfo, system: str) -> Chart | None:
    """Strata and classes of a system and the baseline; None where the metric has no values of classes for both."""
    blocks = [
        block for block in (_strata(comparison, metric, system), *class_blocks(comparison, metric, system)) if block.lines
    ]
    if not blocks:
        return None
    styles = system_styles(comparison.analysis.systems)
    ours, base = (styles[position(comparison, name)] for name in (system, comparison.baseline))
    heights = [len(block.lines) + 1 for block in blocks]
    with figure_style():
        fig = new_figure(7.2, MARGIN_INCHES + ROW_INCHES * sum(heights))
        fig.set_dpi(300)  # coarse pixels round the widths of letters, by up to a tenth: labels on the right would be cut
        axes = fig.subplots(len(blocks), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
        for ax, block in zip(axes, blocks, strict=True):
            _draw(ax, block, ours, base, metric)
        axes[-1].set_xlabel(axis_title(metric))
        axes[-1].xaxis.set_major_locator(MaxNLocator(7))
        values = [value for block in blocks for line in block.lines for value in (line.value, line.baseline)]
        axes[-1].set_xlim(*within(metric.range, min(values), max(values)))
        handles = [
            Line2D([], [], color=s.colour.light, linestyle="none", marker=s.marker, markersize=6) for s in (base, ours)
        ]
        fig.legend(
            handles, [comparison.baseline, system], loc="outside upper left", ncols=2, fontsize=8.5, handletextpad=0.2
        )
        return Chart(settle(fig))


def _draw(ax: Axes, block: Block, ours: SystemStyle, base: SystemStyle, metric: MetricInfo) -> None:
    for y, line in enumerate(block.lines):
        better = ours if gain(metric, line.value - line.baseline) > 0 else base
        ax.plot([line.baseline, line.value], [y, y], color=better.colour.light, linewidth=2.2, alpha=0.5, zorder=1,
                solid_capstyle="butt")  # fmt: skip
        for value, style in ((line.baseline, base), (line.value, ours)):
            ax.plot(value, y, marker=style.marker, markersize=5, color=style.colour.light, markeredgewidth=0.3, zorder=2,
                    clip_on=False)  # fmt: skip
    ax.set_yticks(range(len(block.lines)), [line.name for line in block.lines])
    ax.set_ylim(len(block.lines) - 0.4, -0.6)
    ax.set_title(block.title, loc="left", fontsize=8.5, color=MUTED.light, pad=3)
    ax.grid(axis="y", color=RULE.light, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    right = ax.twinx()  # its tick labels are given room by the layout, which annotations and secondary axes are not
    right.set_ylim(ax.get_ylim())
    right.set_yticks(range(len(block.lines)), [line.detail for line in block.lines], fontsize=7.5)
    right.tick_params(axis="y", length=0)
    sns.despine(ax=ax, left=True)
    sns.despine(ax=right, left=True)


def _strata(comparison: Comparison, metric: MetricInfo, system: str) -> Block:
    analysis = comparison.analysis
    row_of = lookup(
        analysis.by_stratum[analysis.by_stratum["metric"] == metric.name].dropna(subset=["value"]), "system", "stratum"
    )
    tests = lookup(comparison.strata[comparison.strata["metric"] == metric.name], "system", "quantity")
    lines = []
    for stratum in analysis.strata:
        pair = [row_of.get((name, stratum.name)) for name in (system, comparison.baseline)]
        if any(row is None for row in pair) or metric.level == "set":
            continue
        test = tests.get((system, stratum.name))
        significance = f", p {p_value(test.p_holm)}" if test is not None and math.isfinite(test.p_holm) else ""
        detail = f"{count(pair[0].n_classes, 'class', 'classes')}{significance}"  # type: ignore[union-attr]
        lines.append(Line(stratum.title, pair[0].value, pair[1].value, detail))  # type: ignore[union-attr]
    return Block("strata, mean over classes (right: p, Holm-corrected)", lines)


def class_blocks(comparison: Comparison, metric: MetricInfo, system: str) -> list[Block]:
    """All classes, common to rare; with more than ``MOST`` the largest gains and the largest losses."""
    rows = _class_rows(comparison, metric, system)
    if len(rows) <= MOST:
        return [Block("classes, common to rare (right: training, test clips)", [_line(r) for r in rows])]
    often = [r for r in rows if r.n_clips >= MIN_CLIPS]
    pool, which = (often, f", at least {MIN_CLIPS} clips") if len(often) >= ENOUGH else (rows, "")
    ranked = sorted(pool, key=lambda r: -gain(metric, r.difference))
    gains = [r for r in ranked[:EXTREMES] if gain(metric, r.difference) > 0]
    losses = [r for r in ranked[-EXTREMES:] if gain(metric, r.difference) < 0]
    return [
        Block(f"largest {what}{which}, common to rare (right: training, test clips)",
              [_line(r) for r in rows if any(r is chosen for chosen in some)])
        for what, some in (("gains", gains), ("losses", losses))
    ]  # fmt: skip


def _class_rows(comparison: Comparison, metric: MetricInfo, system: str) -> list[Any]:
    frame: pd.DataFrame = comparison.classes
    rows = frame[(frame["metric"] == metric.name) & (frame["system"] == system)]
    return list(records(rows.sort_values(["n_train", "label"], ascending=[False, True], kind="stable")))


def _line(row: Any) -> Line:
    return Line(row.name, row.value, row.baseline_value, f"{row.n_train:,.0f}, {row.n_clips:,.0f}")


def finding(comparison: Comparison, metric: MetricInfo, system: str) -> str:
    """Numbers of classes with gains and losses, and the extremes."""
    rows = _class_rows(comparison, metric, system)
    if not rows:
        return f"{metric.title} has no value per class of both {system} and {comparison.baseline}."
    digits = metric_decimals(comparison.analysis, metric)
    gains = sum(gain(metric, r.difference) > 0 for r in rows)
    losses = sum(gain(metric, r.difference) < 0 for r in rows)
    ranked = sorted(rows, key=lambda r: gain(metric, r.difference))
    ends = " and ".join(
        f"{r.name} ({number(r.difference, digits, sign=True)}, {count(r.n_clips, 'clip')})" for r in (ranked[-1], ranked[0])
    )
    return (
        f"Of {count(len(rows), 'class', 'classes')}, {gains} score better in {metric.title} with {system} than with "
        f"{comparison.baseline} and {losses} worse; the extremes are {ends}."
    )
