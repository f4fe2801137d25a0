"""Figure of the first screen: levels from common to rare."""

from __future__ import annotations

import math

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reaudio_eval.reports.drawing import Chart, figure_style, new_figure, settle, short_lines, upright_title, within
from reaudio_eval.reports.first_screen.evidence import Evidence
from reaudio_eval.reports.first_screen.words import measured
from reaudio_eval.reports.palette import RULE, SystemStyle, system_styles
from reaudio_eval.reports.text import listing

MOST = 8  # systems in one figure
LINED = 4  # with more systems than this no line joins the means of one
SLOT = 0.66  # of a group's width that is used
SIZE = (4.5, 3.1)


def drawn(evidence: Evidence) -> list[int]:
    """Positions of the systems of the figure: those asked for, their controls, and the real audio.

    Of more than ``MOST`` the best of each group of the family, beside controls and real audio.
    """
    names = [*evidence.competitors, *([evidence.real] if evidence.real else [])]
    if len(names) > MOST:
        best = {s for group in evidence.quantities if (s := evidence.best(group.name)) is not None}
        names = [n for n in names if n in best or n in evidence.controls or n == evidence.real]
    groups = {group.name for group in evidence.groups}
    known = {name for (name, group), level in evidence.levels.items() if level.known and group in groups}
    return [i for i, s in enumerate(evidence.systems) if s.name in names and s.name in known]


def levels_figure(evidence: Evidence) -> Chart | None:
    """Means with 95 % intervals, common to rare from left to right and unseen last; None without groups or values."""
    positions = drawn(evidence)
    if not evidence.groups or not positions:
        return None
    styles = system_styles(evidence.systems)
    with figure_style():
        fig = new_figure(*SIZE)
        ax = fig.add_subplot()
        offsets = (np.arange(len(positions)) - (len(positions) - 1) / 2) * SLOT / max(len(positions), 3)
        for offset, i in zip(offsets, positions, strict=True):
            _draw(ax, evidence, i, float(offset), styles[i], line=len(positions) <= LINED)
        _axes(ax, evidence, positions)
        sns.despine(fig)
        return Chart(settle(fig))


def _draw(ax: Axes, evidence: Evidence, i: int, offset: float, style: SystemStyle, line: bool) -> None:
    levels = [evidence.level(evidence.systems[i].name, group.name) for group in evidence.groups]
    x = np.arange(len(levels)) + offset
    colour, values = style.colour.light, [level.value for level in levels]
    if line:
        ax.plot(x, values, color=colour, linewidth=1.0, linestyle=style.dash, alpha=0.55, zorder=2, gid=f"line-{i}")
    ax.vlines(
        x, [le.ci_low for le in levels], [le.ci_high for le in levels], color=colour, linewidth=1.5, zorder=3, gid=f"bar-{i}"
    )
    ax.plot(x, values, linestyle="none", marker=style.marker, markersize=5.5, color=colour, zorder=4, clip_on=False, gid=f"mean-{i}",
            markeredgewidth=1.2 if style.marker == "x" else 0.3)  # fmt: skip


def _axes(ax: Axes, evidence: Evidence, positions: list[int]) -> None:
    ax.set_xticks(range(len(evidence.groups)), [short_lines(group.title) for group in evidence.groups])
    ax.set_xlim(-0.5, len(evidence.groups) - 0.5)
    ax.tick_params(axis="x", length=0)
    for edge in range(1, len(evidence.groups)):
        ax.axvline(edge - 0.5, color=RULE.light, linewidth=0.6, zorder=0)
    ax.set_ylim(*_limits(evidence, positions))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.set_ylabel(upright_title(evidence.metric))


def _limits(evidence: Evidence, positions: list[int]) -> tuple[float, float]:
    """Range of all values and intervals with a margin, within the metric's range."""
    levels = [evidence.level(evidence.systems[i].name, group.name) for i in positions for group in evidence.groups]
    ends = [v for level in levels for v in (level.value, level.ci_low, level.ci_high) if math.isfinite(v)]
    low, high = min(ends), max(ends)
    return within(evidence.metric.range, low, high, 0.05)


def finding(evidence: Evidence) -> str:
    """Title of the figure: the means of every system in it."""
    parts = []
    for i in drawn(evidence):
        name = evidence.systems[i].name
        levels = [(group, evidence.level(name, group.name)) for group in evidence.groups]
        values = [f"{group.title} {measured(level, evidence.digits)}" for group, level in levels if level.known]
        parts.append(f"{evidence.name(name)}: {listing(values)}")
    return f"{evidence.metric.title} from common to rare. {'; '.join(parts)}."
