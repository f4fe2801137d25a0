"""Colours, markers and dashes of systems, light and dark.

Figures are drawn once, in the light colours. Every light colour occurs once in the palette, so the SVG that goes into the
page can have them replaced by CSS variables (``css_colour``), which is what makes dark mode work without a second drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.markers import MarkerStyle

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.prompts.strata import Stratum


class Colour(NamedTuple):
    """A CSS variable and its value in both schemes."""

    variable: str
    light: str
    dark: str


class SystemStyle(NamedTuple):
    """How a system is drawn. ``dash`` and ``marker`` are matplotlib's; no system is distinguished by colour alone."""

    colour: Colour
    marker: str
    dash: tuple[float, tuple[float, ...]]


SURFACE = Colour("--surface", "#fefefe", "#12151a")
INK = Colour("--ink", "#1b2129", "#e6e9ed")
MUTED = Colour("--muted", "#59636f", "#9ba6b3")
RULE = Colour("--rule", "#d9dee4", "#2e353e")

# Chosen by search in OKLab: contrast >= 3.3 on both surfaces, and the largest smallest distance between any two under normal
# vision and simulated protanopia, deuteranopia and tritanopia (Machado et al. 2009), in both schemes at once.
_HUES = (
    Colour("--s0", "#2d8984", "#54b1ab"),
    Colour("--s1", "#a85a1c", "#e09a5c"),
    Colour("--s2", "#7957dc", "#a089fc"),
    Colour("--s3", "#d162c3", "#f6afea"),
    Colour("--s4", "#79990f", "#abd527"),
    Colour("--s5", "#1c4da4", "#4c86f0"),
    Colour("--s6", "#7f3669", "#c25fa5"),
    Colour("--s7", "#41541c", "#7a9450"),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
_DASHES: tuple[tuple[float, tuple[float, ...]], ...] = (
    (0, ()),
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (5, 1.4, 1.2, 1.4)),
    (0, (8, 2)),
    (0, (3, 1.2)),
    (0, (6, 1.4, 1.2, 1.4, 1.2, 1.4)),
    (0, (2, 2)),
)
_REAL = SystemStyle(Colour("--real", "#101418", "#f4f6f8"), "*", (0, (9, 1.5, 1.5, 1.5)))
_NOISE = SystemStyle(Colour("--noise", "#77818d", "#8791a0"), "x", (0, (1, 2.5)))

# Strata from common to rare, and the unseen classes; chosen like the hues of systems.
_STRATA = (
    Colour("--t0", "#210468", "#8f93fd"),
    Colour("--t1", "#2f9dac", "#86e0f8"),
    Colour("--t2", "#1b620e", "#e5d448"),
    Colour("--t3", "#4c0209", "#af4048"),
    Colour("--t4", "#8a2eae", "#7c52b4"),
)
_UNSEEN = Colour("--t5", "#bb8500", "#cf8d5c")
COLOURS = (SURFACE, INK, MUTED, RULE, *_HUES, _REAL.colour, _NOISE.colour, *_STRATA, _UNSEEN)


def system_styles(systems: Sequence[SystemInfo]) -> list[SystemStyle]:
    """One style a system, in order; real audio and noise have styles of their own. Hues repeat beyond eight generated
    systems, with another dash and marker."""
    styles, generated = [], 0
    for system in systems:
        if system.kind == "generated":
            turn = generated // len(_HUES)
            i = generated % len(_HUES)
            styles.append(SystemStyle(_HUES[i], _MARKERS[(i + 3 * turn) % 8], _DASHES[(i + 3 * turn) % 8]))
            generated += 1
        else:
            styles.append(_REAL if system.kind == "real" else _NOISE)
    return styles


def stratum_colours(strata: Sequence[Stratum]) -> dict[str, Colour]:
    """Name -> colour. The unseen classes have a colour of their own; beyond five other strata the last one repeats."""
    unseen = [s.name for s in strata if s.high == 1]
    seen = [s.name for s in strata if s.high != 1]
    return {name: _STRATA[min(i, len(_STRATA) - 1)] for i, name in enumerate(seen)} | dict.fromkeys(unseen, _UNSEEN)


def marker_path(marker: str) -> str:
    """The outline of a matplotlib marker as SVG path data in a box of 10 x 10."""
    style = MarkerStyle(marker)
    outline = style.get_path().transformed(style.get_transform())
    lines = [np.asarray(line, dtype=float) for line in outline.to_polygons(closed_only=False)]
    return "".join("M" + "L".join(f"{5 + 7 * x:.1f} {5 - 7 * y:.1f}" for x, y in line) for line in lines)


def dash_lengths(style: SystemStyle) -> str:
    """The dash as SVG ``stroke-dasharray`` for a line of width 1; "none" for a solid line."""
    return " ".join(f"{length:g}" for length in style.dash[1]) or "none"


def css_variables() -> str:
    """The palette as CSS declarations for ``:root``."""
    return "".join(f"{c.variable}:light-dark({c.light},{c.dark});" for c in COLOURS)


def css_colour(svg: str) -> str:
    """Replace every palette colour in an SVG by its CSS variable."""
    for colour in COLOURS:
        svg = svg.replace(colour.light, f"var({colour.variable})")
    return svg
