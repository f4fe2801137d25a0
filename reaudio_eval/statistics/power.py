"""Power of a planned comparison of two systems, by simulation.

A design has classes, prompts of each class and seeds of each prompt, with one label for each prompt. The difference of two systems on a
clip is simulated as

    effect + N(0, class_sd**2) for its class + N(0, clip_sd**2 + seed_sd**2 / seeds),

and analysed by the code that analyses reports: :func:`reaudio_eval.statistics.estimates.macro`, its t test or its tests of a margin, and
Holm's correction. The other tests of the family are taken to find nothing, so that the smallest p-value is multiplied by their number: the
power is at least that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats as sps

from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.statistics.class_table import ClassTable, summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import macro
from reaudio_eval.statistics.intervals import Estimate, t_test_p
from reaudio_eval.statistics.margins import LEVEL_EQUIVALENT, LEVEL_NONINFERIOR, margin_tests
from reaudio_eval.statistics.thresholds import ALPHA, MIN_CLASSES

Goal = Literal["difference", "noninferior", "equivalent"]
MAX_CLASSES, MAX_CLIPS = 1_000, 5_000  # of a design; a larger one takes minutes and gigabytes
TOLERANCE = 0.02  # of a power that is searched for
_STEPS = 6


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the difference of two systems on a clip, each 0 or more, in the unit of the metric.

    Attributes:
        classes: of the mean differences of classes.
        clips: of clips of one class, over infinitely many seeds.
        seeds: of one clip over pairs of seeds.
    """

    classes: float
    clips: float
    seeds: float = 0.0

    def of_clip(self, n_seeds: int) -> float:
        """Standard deviation of the mean over seeds of a clip, given its class."""
        return math.sqrt(self.clips**2 + self.seeds**2 / n_seeds)

    def of_mean(self, design: Design) -> float:
        """Standard error of the mean over classes."""
        of_class_mean = self.classes**2 + self.of_clip(design.n_seeds) ** 2 / design.per_class
        return math.sqrt(of_class_mean / design.n_classes)


class Design(NamedTuple):
    """Classes, prompts of each class, and seeds of each prompt; each 1 or more."""

    n_classes: int
    per_class: int
    n_seeds: int = 1

    @property
    def n_clips(self) -> int:
        """Clips that a system generates."""
        return self.n_classes * self.per_class * self.n_seeds

    @property
    def feasible(self) -> bool:
        """Whether it is small enough to simulate."""
        return self.n_classes <= MAX_CLASSES and self.n_classes * self.per_class <= MAX_CLIPS


@dataclass(frozen=True)
class Question:
    """What is to be shown.

    Attributes:
        effect: true difference of the systems, where more is better.
        goal: that there is a difference (of the sign of ``effect``); that the first system is not worse than the other by ``margin``; or
            that they differ by less.
        margin: above 0; None for a difference.
        n_tests: of the family that Holm's correction runs over.
    """

    effect: float
    goal: Goal = "difference"
    margin: float | None = None
    n_tests: int = 1

    def shown(self, estimate: Estimate) -> bool:
        """Whether an estimated difference shows it, as a report decides."""
        value, interval = estimate
        if self.goal == "difference" or self.margin is None:
            return self.n_tests * t_test_p(value, interval) < ALPHA and value * self.effect > 0
        tests = margin_tests(value, interval.se, interval.df, self.margin, higher_is_better=True)
        if self.goal == "noninferior":
            return self.n_tests * tests.noninferior < LEVEL_NONINFERIOR
        return self.n_tests * tests.equivalent < LEVEL_EQUIVALENT

    def approximate(self, design: Design, spread: Spread) -> float:
        """Power of a t test on class means, for the start of a search; a noncentral t distribution with classes - 1 degrees of freedom."""
        se, df = spread.of_mean(design), design.n_classes - 1
        if design.n_classes < MIN_CLASSES:
            return 0.0
        if se == 0:
            return 1.0
        if self.goal == "difference" or self.margin is None:
            limit = float(sps.t.isf(ALPHA / 2 / self.n_tests, df))
            return float(sps.nct.sf(limit, df, abs(self.effect) / se))
        if self.goal == "noninferior":
            limit = float(sps.t.isf(LEVEL_NONINFERIOR / self.n_tests, df))
            return float(sps.nct.sf(limit, df, (self.effect + self.margin) / se))
        limit = float(sps.t.isf(LEVEL_EQUIVALENT / self.n_tests, df))
        ends = ((self.margin - self.effect) / se - limit, (-self.margin - self.effect) / se + limit)
        return max(0.0, float(sps.t.cdf(ends[0], df) - sps.t.cdf(ends[1], df)))


class Power(NamedTuple):
    """Simulated power of a design. low, high: Clopper-Pearson 95 % interval of the simulation."""

    design: Design
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Simulation:
    """Simulated reports.

    Attributes:
        question: what each is asked.
        spread: of the differences.
        n_runs: simulations of a design.
        seed: 0 or more; a design's simulations depend on it and on the design only.
    """

    question: Question
    spread: Spread
    n_runs: int = 400
    seed: int = 0

    @cached_property
    def _known(self) -> dict[Design, Power]:
        return {}

    def power(self, design: Design) -> Power:
        """The proportion of simulated reports that show it; float 0 to 1."""
        if design not in self._known:
            self._known[design] = self._power(design)
        return self._known[design]

    def _power(self, design: Design) -> Power:
        table = balanced(design)
        context = Context(table, MIN_CLASSES)
        every = np.ones(design.n_classes, dtype=bool)
        rng = np.random.default_rng([self.seed, *design])
        noise = self.spread.of_clip(design.n_seeds)
        hits = 0
        for _ in range(self.n_runs if design.n_classes >= MIN_CLASSES else 0):
            classes = rng.normal(self.question.effect, self.spread.classes, design.n_classes)
            values = np.repeat(classes, design.per_class) + rng.normal(0.0, noise, len(table.clip_ids))
            hits += self.question.shown(macro(summarise(values, table), every, context))
        return _proportion(design, hits, self.n_runs)

    def needed(self, per_class: int, n_seeds: int, target: float) -> Power | None:
        """The fewest classes with a power of ``target``, to ``TOLERANCE``; None where they are more than can be simulated."""
        low, high = MIN_CLASSES, self.limit(per_class)
        tried: dict[int, Power] = {}
        n = self.start(per_class, n_seeds, target) or high
        for _ in range(_STEPS):
            found = tried[n] = self.power(Design(n, per_class, n_seeds))
            if abs(found.value - target) <= TOLERANCE:
                return found
            low, high = (n + 1, high) if found.value < target else (low, n - 1)
            if low > high:
                break
            n = min(high, max(low, self._next(found, target)))
        enough = [each for each in tried.values() if each.value >= target - TOLERANCE]
        return min(enough, key=lambda each: each.design) if enough else None

    @staticmethod
    def limit(per_class: int) -> int:
        """The most classes that are simulated."""
        return max(MIN_CLASSES, min(MAX_CLASSES, MAX_CLIPS // per_class))

    def start(self, per_class: int, n_seeds: int, target: float) -> int | None:
        """The fewest classes by :meth:`Question.approximate`; None where they are more than the limit."""
        low, high = MIN_CLASSES, self.limit(per_class) + 1
        while low < high:
            middle = (low + high) // 2
            enough = self.question.approximate(Design(middle, per_class, n_seeds), self.spread) >= target
            low, high = (low, middle) if enough else (middle + 1, high)
        return low if low <= self.limit(per_class) else None

    def _next(self, found: Power, target: float) -> int:
        """Classes whose standard error moves the power from the one found to the target, as far as power is normal in it."""
        z = [float(sps.norm.ppf(np.clip(p, 0.01, 0.99))) for p in (target, found.value)]
        limit = float(sps.norm.isf(ALPHA / 2 / self.question.n_tests))
        factor = ((limit + z[0]) / max(0.2, limit + z[1])) ** 2
        n = found.design.n_classes
        return max(n + 1, math.ceil(n * factor)) if found.value < target else min(n - 1, math.floor(n * factor))


def balanced(design: Design) -> ClassTable:
    """The classes and prompts of a design; every class is one of a sample (``ClassTable.fixed`` is False)."""
    n = design.n_classes * design.per_class
    member = np.zeros((n, design.n_classes), dtype=bool)
    member[np.arange(n), np.repeat(np.arange(design.n_classes), design.per_class)] = True
    ids = [tuple(f"{i:06d}" for i in range(size)) for size in (n, design.n_classes)]
    none = np.zeros(design.n_classes, dtype=bool)
    strata = (Stratum("classes", 0, None),)
    whole = np.zeros(design.n_classes, dtype=np.intp)
    return ClassTable(ids[0], ids[1], member, whole, np.zeros(design.n_classes), whole, strata, none, none)


def _proportion(design: Design, hits: int, n: int) -> Power:
    if hits == 0 and design.n_classes < MIN_CLASSES:
        return Power(design, 0.0, 0.0, 0.0)  # no test is made
    low = float(sps.beta.ppf(0.025, hits, n - hits + 1)) if hits else 0.0
    high = float(sps.beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
    return Power(design, hits / n, low, high)
