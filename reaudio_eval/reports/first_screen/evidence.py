"""What the first screen rests on: levels, differences, family."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import pandas as pd

from reaudio_eval.clips.roles import asked, controls
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.reports.views import NOT_COMPUTED, metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.families import GAP, Family, n_tests
from reaudio_eval.statistics.rows import ALL, CLASSES
from reaudio_eval.statistics.thresholds import ALPHA, MIN_CLASSES


class Group(NamedTuple):
    """Clips or classes that have one mean.

    Attributes:
        name: key in frames: a stratum, a regime, "classes" or "all".
        title: "rare 1-9", for tables and figures.
        phrase: "on rare 1-9 classes", in sentences.
    """

    name: str
    title: str
    phrase: str


ALONE = ("copy", "oracle")  # roles of the references that a verdict describes where no system competes
EVERY_CLASS = Group(CLASSES, "all classes", "on average over all classes")
EVERY_CLIP = Group(ALL, "all clips", "over all clips")


@dataclass(frozen=True)
class Level:
    """A mean with its 95 % interval; NaN where undefined, with the reason."""

    value: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan
    n_classes: float = math.nan
    reason: str = NOT_COMPUTED

    @classmethod
    def of(cls, row: Any) -> Level:
        """Of a row of ``overall``, ``by_stratum``, ``by_regime`` or ``trend``."""
        reason = row.reason if isinstance(row.reason, str) else ""
        return cls(row.value, row.ci_low, row.ci_high, getattr(row, "n_classes", math.nan), reason)

    @property
    def known(self) -> bool:
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        return math.isfinite(self.ci_low) and math.isfinite(self.ci_high)

    @property
    def thin(self) -> bool:
        """Whether it is a mean of so few classes that it says nothing of others."""
        return self.n_classes < MIN_CLASSES

    def negated(self) -> Level:
        return replace(self, value=-self.value, ci_low=-self.ci_high, ci_high=-self.ci_low)


@dataclass(frozen=True)
class Difference:
    """The paired difference system - against in one quantity, with its test. power_note: why it cannot be significant, or ""."""

    system: str
    against: str
    quantity: str
    level: Level
    p_holm: float
    family: str
    detectable: float
    power_note: str = ""

    @property
    def tested(self) -> bool:
        return math.isfinite(self.p_holm)

    @property
    def significant(self) -> bool:
        return self.tested and self.p_holm < ALPHA


class Words(NamedTuple):
    """Nouns of a kind of report. control: "control", "baseline" or "reference"."""

    noun: str = "system"
    control: str = "control"


@dataclass(frozen=True)
class Evidence:
    """Everything that the first screen may say of one metric.

    Attributes:
        metric: the primary metric; digits: decimals of its numbers.
        systems: of the page, in its order.
        overall: what is averaged over everything: all classes, or all clips; None where nothing is.
        groups: common to rare from left to right, unseen last.
        levels: (system, name of a group) -> mean.
        gaps: system -> mean of the first of the ``ends`` minus mean of the second.
        ends: the most frequent group and the rarest with training clips; None where there are no gaps.
        tests: columns metric, quantity, system_a, system_b and those of a paired difference, of this metric alone.
        family: the confirmatory tests among them.
        ranked: whether systems are ranked even where there are few of them.
        shown: system -> name in sentences.
        words: nouns.
        left_out: systems that the sentences do not name, such as those that differ from another by chance alone (a seed).
        against: references that systems are compared with in sentences too, such as the copies of the retrieved clips.
        remarks: system -> what must be said with its levels, or nothing.
    """

    metric: MetricInfo
    digits: int
    systems: tuple[SystemInfo, ...]
    overall: Group | None
    groups: tuple[Group, ...]
    levels: Mapping[tuple[str, str], Level]
    gaps: Mapping[str, Level]
    ends: tuple[Group, Group] | None
    tests: pd.DataFrame
    family: Family
    ranked: bool = False
    shown: Mapping[str, str] = field(default_factory=dict)
    words: Words = field(default_factory=Words)
    left_out: frozenset[str] = frozenset()
    against: tuple[str, ...] = ()
    remarks: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> list[str]:
        """Names of the systems that the page is about."""
        return [s.name for s in asked(self.systems) if s.name not in self.left_out]

    @property
    def controls(self) -> list[str]:
        """Names of what they are compared with."""
        named = {*self.asked, *self.left_out}
        return [s.name for s in controls(self.systems) if s.name not in named]

    @property
    def competitors(self) -> list[str]:
        return [*self.asked, *self.controls]

    @property
    def references_alone(self) -> list[str]:
        """Copies of retrieved clips and oracles with a value, where no competitor has one."""
        known = {name for (name, _), level in self.levels.items() if level.known}
        return [] if known & {*self.competitors} else [s.name for s in self.systems if s.role in ALONE and s.name in known]

    @property
    def real(self) -> str | None:
        return next((s.name for s in self.systems if s.role == "real"), None)

    @property
    def n_tests(self) -> int:
        return n_tests(self.tests)

    @property
    def quantities(self) -> list[Group]:
        """The quantities of the family that are means, in the order of the page."""
        every = [*([self.overall] if self.overall else []), *self.groups]
        return [group for group in every if group.name in self.family.quantities]

    def name(self, system: str) -> str:
        """The name of a system in sentences."""
        return self.shown.get(system, system)

    def best(self, group: str) -> str | None:
        """The competitor with the best mean of a group; None where nobody has one, or the metric has no better side."""
        known = {s: self.level(s, group).value for s in self.competitors if self.level(s, group).known}
        if not known or not self.metric.directed:
            return None
        return (max if self.metric.higher_is_better else min)(known, key=lambda s: known[s])

    def level(self, system: str, group: str) -> Level:
        return self.levels.get((system, group), Level())

    def loss(self, system: str) -> Level:
        """The gap of a system with the sign that makes positive worse on rare sounds."""
        gap = self.gaps.get(system, Level())
        return gap if self.metric.higher_is_better else gap.negated()

    def difference(self, system: str, against: str, quantity: str) -> Difference | None:
        """system - against; None where the two were not compared."""
        tests = self.tests
        pair = tests["system_a"].isin((system, against)) & tests["system_b"].isin((system, against))
        row: Any = next(records(tests[pair & (tests["quantity"] == quantity)]), None)
        return None if row is None else _difference(row, flip=row.system_a != system)

    def apart(self, a: str, b: str) -> bool:
        """Whether two systems were scored on different prompts alone, so that no test of them can be made."""
        tests = self.tests
        pair = tests[tests["system_a"].isin((a, b)) & tests["system_b"].isin((a, b))]
        return len(pair) > 0 and bool((pair["n_clips"] == 0).all())

    def gain(self, difference: Difference) -> float:
        """A difference with the sign that makes positive better; of a gap, the sign that makes positive a smaller loss."""
        sign = 1 if self.metric.higher_is_better else -1
        return difference.level.value * (-sign if difference.quantity == GAP else sign)


def _difference(row: Any, flip: bool) -> Difference:
    level = Level(row.difference, row.ci_low, row.ci_high, row.n_classes, row.reason if isinstance(row.reason, str) else "")
    names = (row.system_b, row.system_a) if flip else (row.system_a, row.system_b)
    note = getattr(row, "power_note", None)
    return Difference(
        *names, row.quantity, level.negated() if flip else level, row.p_holm, row.family, row.detectable,
        note if isinstance(note, str) else "",
    )  # fmt: skip


def longtail_evidence(analysis: LongtailAnalysis) -> Evidence | None:
    """Of the primary metric of a long-tail analysis; None without a metric."""
    if analysis.primary is None:
        return None
    metric = analysis.metric(analysis.primary)
    trend = lookup(analysis.trend[analysis.trend["metric"] == metric.name], "system", "statistic")
    statistics = {name: {s: Level.of(r) for (s, n), r in trend.items() if n == name} for name in ("macro", GAP)}
    overall = _overall(analysis, metric, statistics["macro"])
    by_stratum = analysis.by_stratum[analysis.by_stratum["metric"] == metric.name]
    levels = {(r.system, r.stratum): Level.of(r) for r in records(by_stratum)} | overall
    present = {r.stratum for r in records(by_stratum) if r.n_classes > 0 or math.isfinite(r.value)}
    groups = {s.name: _stratum(s) for s in analysis.strata}
    by_classes = any((s, CLASSES) in overall for s in statistics["macro"])
    ends = (analysis.strata[0].name, analysis.strata[-2].name) if by_classes and len(analysis.strata) > 2 else None
    return Evidence(
        metric,
        metric_decimals(analysis, metric),
        analysis.systems,
        EVERY_CLASS if by_classes else EVERY_CLIP,
        tuple(group for name, group in groups.items() if name in present),
        levels,
        statistics[GAP],
        None if ends is None else (groups[ends[0]], groups[ends[1]]),
        analysis.paired[analysis.paired["metric"] == metric.name],
        analysis.family,
    )


def _stratum(stratum: Stratum) -> Group:
    return Group(stratum.name, stratum.title, f"on {stratum.title} classes")


def _overall(
    analysis: LongtailAnalysis, metric: MetricInfo, over_classes: Mapping[str, Level]
) -> dict[tuple[str, str], Level]:
    """The means over all classes; over all clips where no system has a mean over classes."""
    if any(level.known for level in over_classes.values()):
        return {(system, CLASSES): level for system, level in over_classes.items()}
    rows = analysis.overall[analysis.overall["metric"] == metric.name]
    return {(r.system, ALL): Level.of(r) for r in records(rows)}
