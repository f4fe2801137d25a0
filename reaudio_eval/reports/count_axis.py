"""Axis of training counts, from many to few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.reports.drawing import short_lines
from reaudio_eval.reports.palette import MUTED, RULE

DECADES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
MARGIN = 0.16  # in decades, beside the first and last class
APART = 0.7  # in decades, from the rarest class seen in training to the unseen ones
UNSEEN_WIDTH = 0.3  # over which unseen classes are spread, since they would hide each other
_LETTER, _NARROW = 0.0115, 0.05  # of the width of the axis: a letter, and too little for two lines of text


class CountAxis(NamedTuple):
    """A log axis of training clips with the most frequent class on the left; unseen classes stand apart at the right end.

    Attributes:
        largest, smallest: training clips of classes seen in training.
        unseen: whether there are classes without training clips.
    """

    largest: int
    smallest: int
    unseen: bool

    @classmethod
    def of(cls, counts: npt.ArrayLike) -> CountAxis:
        """The axis of classes with these training counts."""
        n = np.asarray(counts, dtype=np.intp)
        seen = n[n > 0]
        return cls(int(seen.max(initial=1)), int(seen.min()) if len(seen) else 1, bool((n == 0).any()))

    def place(self, counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Where training counts lie; those below 1 are unseen."""
        n = np.asarray(counts, dtype=np.float64)
        return np.where(n < 1, self._rarest + APART, -np.log10(np.maximum(n, 1)))

    def place_classes(self, counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Where classes lie: as :meth:`place`, unseen ones side by side in their order."""
        n = np.asarray(counts, dtype=np.float64)
        places, unseen = self.place(n), n < 1
        k = int(unseen.sum())
        places[unseen] += UNSEEN_WIDTH * ((np.arange(k) + 0.5) / max(k, 1) - 0.5)
        return places

    def draw(self, ax: Axes) -> None:
        """Limits, ticks, title, and the break before the unseen classes."""
        ticks = [d for d in reversed(DECADES) if self.smallest <= d <= self.largest] or [self.largest]
        minor = [m * d for d in DECADES for m in range(2, 10) if self.smallest <= m * d <= self.largest]
        places, names = list(self.place(ticks)), [f"{t:,}" for t in ticks]
        if self.unseen:
            places.append(self._rarest + APART)
            names.append("0")
            for side in (-0.03, 0.03):
                ax.plot(
                    self._break + side, 0, transform=ax.get_xaxis_transform(), clip_on=False, color=MUTED.light, markersize=6,
                    marker=[(-0.5, -1), (0.5, 1)], linestyle="none", markeredgewidth=0.8, zorder=6,
                )  # fmt: skip
        ax.set_xticks(places, names)
        ax.set_xticks(self.place(minor), minor=True)
        ax.tick_params(axis="x", which="minor", length=2)
        ax.set_xlim(float(self.place(self.largest)) - MARGIN, self._end)
        ax.set_xlabel("training clips of the class (log scale, common to rare)")

    def draw_strata(self, ax: Axes, strata: Sequence[Stratum]) -> None:
        """Edges between the strata and their titles along the top. :meth:`draw` comes first."""
        left, right = ax.get_xlim()
        for stratum in strata:
            start, end = max(self._edge(stratum.high), left), min(self._edge(stratum.low), right)
            if end <= start:
                continue
            if start > left:
                ax.axvline(start, color=RULE.light, linewidth=0.8, zorder=0)
            _name(ax, stratum.title, (start + end) / 2, (end - start) / (right - left))

    def _edge(self, count: int | None) -> float:
        """Between classes with fewer than so many training clips and the others; None: before all."""
        if count is None:
            return -np.inf
        if count <= 1:
            return self._break if count == 1 and self.unseen else self._end
        return min(float(-np.log10(count - 0.5)), self._break if self.unseen else self._end)

    @property
    def _rarest(self) -> float:
        return float(-np.log10(self.smallest))

    @property
    def _break(self) -> float:
        """Between the rarest seen and the unseen classes."""
        return self._rarest + (APART - UNSEEN_WIDTH / 2) / 2

    @property
    def _end(self) -> float:
        return self._rarest + (APART + UNSEEN_WIDTH / 2 if self.unseen else 0) + MARGIN


def _name(ax: Axes, title: str, place: float, width: float) -> None:
    """The title in one line, in several where it would touch its neighbours, or rotated."""
    fits = width >= _LETTER * len(title)
    rotated = not fits and width < _NARROW
    ax.annotate(
        title if fits or rotated else short_lines(title), (place, 1), (0, 5), xycoords=ax.get_xaxis_transform(),
        textcoords="offset points", ha="left" if rotated else "center", va="bottom", rotation=35 if rotated else 0,
        color=MUTED.light, fontsize=8,
    )  # fmt: skip
