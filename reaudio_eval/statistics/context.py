"""Classes of an analysis, and the mixed models of its values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np

from reaudio_eval.scores.jackknife import Floats, Interval, no_interval
from reaudio_eval.statistics.class_table import ClassTable, Summary
from reaudio_eval.statistics.fit import Fit, Grid
from reaudio_eval.statistics.mixed_model import Observations
from reaudio_eval.statistics.scale import FREE, Scale

Covariates = Literal["strata", "count"]
Estimand = Literal["sampled-classes", "fixed-classes"]
ESTIMANDS: tuple[Estimand, ...] = ("sampled-classes", "fixed-classes")


@dataclass(frozen=True)
class Context:
    """Classes of an analysis.

    Attributes:
        table: clips and classes.
        min_classes: a stratum with fewer classes has a mean but no interval and no test. With two classes of a score in [0, 1]
            Student's t gives an interval ten times as wide as the scale.
        estimand: what intervals and tests are about: means over classes of which these are a sample, or over these classes.
    """

    table: ClassTable
    min_classes: int = 2
    estimand: Estimand = "sampled-classes"
    _grids: dict[tuple[Covariates, bool, bytes], Grid] = field(default_factory=dict, repr=False)
    _fits: WeakKeyDictionary[Summary, Fit] = field(default_factory=WeakKeyDictionary, repr=False)
    _trends: WeakKeyDictionary[Summary, Fit] = field(default_factory=WeakKeyDictionary, repr=False)

    def too_few(self, n_classes: int) -> Interval | None:
        """The missing interval for fewer than ``min_classes`` classes, else None."""
        if n_classes >= self.min_classes:
            return None
        return no_interval(
            f"{n_classes} class{'' if n_classes == 1 else 'es'}: an interval needs at least {self.min_classes}"
        )

    def prepare(self, summaries: Iterable[Summary]) -> None:
        """Fit the models of many summaries at once, which is faster than one by one."""
        groups: dict[tuple[bool, Scale, bytes], list[Summary]] = {}
        for summary in summaries:
            if summary.scored.any():
                groups.setdefault((summary.by_label, summary.scale, _pattern(summary)), []).append(summary)
        for group in groups.values():
            self._fits.update(zip(group, self._fit("strata", group), strict=True))
            self._trends.update(zip(group, self._fit("count", group), strict=True))

    def fit(self, summary: Summary) -> Fit:
        """The mixed model of a summary with at least one (clip, class) pair, with the strata as covariates."""
        fit = self._fits.get(summary)
        if fit is None:
            fit = self._fits[summary] = self._fit("strata", [summary])[0]
        return fit

    def trend_fit(self, summary: Summary) -> Fit:
        """The mixed model with log10(1 + training clips) as covariate, and a constant variance."""
        fit = self._trends.get(summary)
        if fit is None:
            fit = self._trends[summary] = self._fit("count", [summary])[0]
        return fit

    def rank_fit(self, summary: Summary, ranks: Floats) -> Fit:
        """The mixed model of ranks of the observations (in the order of :func:`observed`), which have one variance."""
        fit = Fit.of(self._grid("strata", summary), ranks[:, None], FREE, self.estimand == "sampled-classes")[0]
        return replace(fit, common_variance=True)

    def _fit(self, covariates: Covariates, summaries: Sequence[Summary]) -> Sequence[Fit]:
        """Of summaries with values for the same observations on one scale."""
        values = np.column_stack([observed(summary) for summary in summaries])
        scale = summaries[0].scale if covariates == "strata" else FREE
        return Fit.of(self._grid(covariates, summaries[0]), values, scale, self.estimand == "sampled-classes")

    def _grid(self, covariates: Covariates, summary: Summary) -> Grid:
        key = (covariates, summary.by_label, _pattern(summary))
        if key not in self._grids:
            self._grids[key] = Grid(_observations(summary), self._columns(covariates, summary), self.table.fixed)
        return self._grids[key]

    def _columns(self, covariates: Covariates, summary: Summary) -> Floats:
        """Of the classes, (C, q)."""
        if covariates == "count":
            # The line has a level: without it, clips with more labels would pass for clips with more frequent ones.
            return np.column_stack([self.table.log_count, np.ones_like(self.table.log_count)])
        present = np.unique(self.table.stratum[summary.defined])
        members: Floats = (self.table.stratum[:, None] == present).astype(np.float64)
        return members


def _pattern(summary: Summary) -> bytes:
    """Which (clip, class) pairs have a value."""
    return np.packbits(summary.scored).tobytes()


def observed(summary: Summary) -> Floats:
    """The values of the observations of the model: clips, or pairs of a clip and a label, by clip and then by label; (n,)."""
    if summary.by_label:
        pairs: Floats = summary.pair_values[summary.scored]
        return pairs
    values: Floats = summary.clip_sums[summary.scored.any(axis=1)]
    return values


def _observations(summary: Summary) -> Observations:
    if not summary.by_label:
        member = summary.scored[summary.scored.any(axis=1)].astype(np.float64)
        return Observations(np.arange(len(member)), member)
    rows, classes = np.nonzero(summary.scored)
    member = np.zeros((len(rows), summary.scored.shape[1]))
    member[np.arange(len(rows)), classes] = 1.0
    return Observations(np.unique(rows, return_inverse=True)[1].astype(np.intp), member)
