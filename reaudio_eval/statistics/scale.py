"""Scale of a score: mean-variance relation, and intervals within its range.

Three kinds, by the range of the metric:

- bounded on both sides (proportions, cosines): the variance of a value with mean m is proportional to (m - low)(high - m), and the interval
  of a mean is Jeffreys' beta interval on the effective number of observations (Korn and Graubard 1998, Survey Methodology 24, with Jeffreys
  in place of Clopper-Pearson; Brown, Cai and DasGupta 2001, Statistical Science 16);
- bounded below (divergences): the variance is proportional to (m - low) ** 2, and the interval is that of the mean of a gamma variable with
  this coefficient of variation;
- unbounded, and differences of two systems: the variance is constant, and the interval is Student's t, cut at the possible values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from reaudio_eval.scores.jackknife import LEVEL, ROUNDING, ArrayLike, Floats
from reaudio_eval.scores.system_scores import Range

_Z = float(special.ndtri((1 + LEVEL) / 2))
_FLOOR = 0.1  # of the distance of a fitted mean to a bound, relative to that of the overall mean


class Scale(NamedTuple):
    """Possible values of a score, or of a difference.

    Attributes:
        low, high: bounds, infinite without one.
        constant: whether the variance does not depend on the mean.
    """

    low: float
    high: float
    constant: bool

    @classmethod
    def of(cls, range_: Range) -> Scale:
        """The scale of a metric with this range."""
        low, high = -np.inf if range_.low is None else range_.low, np.inf if range_.high is None else range_.high
        return cls(low, high, constant=not np.isfinite(low))

    def difference(self) -> Scale:
        """The scale of a difference of two values."""
        return Scale(self.low - self.high, self.high - self.low, constant=True)

    @property
    def bounded(self) -> bool:
        """Bounds on both sides, and a variance that vanishes there."""
        return not self.constant and bool(np.isfinite(self.high))

    def variance(self, mean: Floats) -> Floats:
        """Variance of a value with this mean, up to a factor; same shape."""
        if self.constant:
            return np.ones_like(mean)
        distance = mean - self.low
        return distance * (self.high - mean) if self.bounded else distance**2

    def rounded(self, value: float) -> float:
        """The value, or a bound that it lies beyond, or from which it differs by rounding."""
        tolerance = ROUNDING * (self.high - self.low) if self.bounded else 0.0
        if value <= self.low + tolerance:
            return self.low
        return self.high if value >= self.high - tolerance else value

    def inside(self, fitted: Floats, overall: ArrayLike) -> Floats:
        """Fitted means moved away from the bounds, where the variance would vanish."""
        if self.constant:
            return fitted
        mean = np.asarray(overall, dtype=np.float64)
        low = self.low + _FLOOR * (mean - self.low)
        return np.clip(fitted, low, self.high - _FLOOR * (self.high - mean)) if self.bounded else np.maximum(fitted, low)

    def interval(self, value: ArrayLike, relative_variance: ArrayLike, df: ArrayLike) -> tuple[Floats, Floats]:
        """Ends of the intervals of means at ``LEVEL``, around the means; arguments are broadcast.

        Args:
            value: the means, inside the range.
            relative_variance: their variances over ``variance(value)``, above 0.
            df: degrees of freedom of the variances.
        """
        x, variance = np.asarray(value, dtype=np.float64), np.asarray(relative_variance, dtype=np.float64)
        t = special.stdtrit(np.asarray(df, dtype=np.float64), (1 + LEVEL) / 2)
        below, above = (1 - LEVEL) / 2, (1 + LEVEL) / 2
        if self.constant:
            half = t * np.sqrt(variance)
            return np.maximum(self.low, x - half), np.minimum(self.high, x + half)
        effective = (_Z / t) ** 2 / variance
        if self.bounded:
            share = (x - self.low) / (self.high - self.low)
            ends = (special.betaincinv(effective * share + 0.5, effective * (1 - share) + 0.5, q) for q in (below, above))
            low, high = (self.low + (self.high - self.low) * end for end in ends)
            # Quantiles can miss a mean at a bound or very near to it: then the interval goes to the bound, as that of no successes does.
            return np.where(low < x, low, self.low), np.where(high > x, high, self.high)
        # Infinite where nothing is known, but for a mean at the bound, which has no spread.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            low, high = (self.low + (x - self.low) * (effective / special.gammaincinv(effective, q)) for q in (above, below))
        return np.where(low < x, low, self.low), np.where(x > self.low, high, x)


FREE = Scale(-np.inf, np.inf, constant=True)
