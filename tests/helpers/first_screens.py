"""Evidence of the first screen, written by hand: levels of systems, losses with intervals, and tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reaudio_eval.clips.system import Role, SystemInfo, SystemKind
from reaudio_eval.frames.statistics import LONGTAIL_FRAMES
from reaudio_eval.reports.first_screen.evidence import EVERY_CLASS, Evidence, Group, Level
from reaudio_eval.scores.system_scores import MetricInfo, Range
from reaudio_eval.statistics.families import Family, named_pairs

ACCURACY = MetricInfo("accuracy", "Label accuracy", "clip", True, "share", "net", range=Range(0.0, 1.0))
COMMON, MEDIUM, RARE, UNSEEN = (
    Group(name, title, f"on {title} classes")
    for name, title in (("head", "common 100+"), ("medium", "medium 10-99"), ("tail", "rare 1-9"), ("zero-shot", "unseen"))
)
GROUPS = (COMMON, MEDIUM, RARE, UNSEEN)
SIZES = {"classes": 65, "head": 8, "medium": 19, "tail": 26, "zero-shot": 12}
QUANTITIES = ("classes", "tail", "zero-shot", "gap_head_tail")
KINDS: dict[Role, SystemKind] = {"real": "real", "noise": "noise"}
Test = tuple[str, str, str, float, float]  # system_a, system_b, quantity, difference, corrected p (NaN: not tested)


def systems(roles: Mapping[str, Role]) -> tuple[SystemInfo, ...]:
    return tuple(SystemInfo(name, KINDS.get(role, "generated"), 1, role=role) for name, role in roles.items())


def level(value: float, half: float, n_classes: float = 10, reason: str = "") -> Level:
    """A mean with an interval of this half width; NaN without one."""
    return Level(value, value - half, value + half, n_classes, reason)


def paired(tests: Sequence[Test], family: str = "confirmatory", **cells: Any) -> pd.DataFrame:
    """Rows of ``paired``: intervals of half width 0.05, 0.1 detectable."""
    rows = [
        {
            "metric": "accuracy", "quantity": quantity, "system_a": a, "system_b": b, "difference": difference,
            "ci_low": difference - 0.05, "ci_high": difference + 0.05, "p_value": p / 2, "p_holm": p, "family": family,
            "detectable": 0.1, "n_classes": 10, "n_clips": 20, "reason": "2 classes: too few" if math.isnan(p) else None,
        } | cells
        for a, b, quantity, difference, p in tests
    ]  # fmt: skip
    return LONGTAIL_FRAMES["paired"].frame(rows)


def make(
    roles: Mapping[str, Role],
    levels: Mapping[str, Sequence[float]],
    losses: Mapping[str, Level],
    tests: pd.DataFrame | Sequence[Test] = (),
    metric: MetricInfo = ACCURACY,
    **more: Any,
) -> Evidence:
    """Evidence over four strata.

    Args:
        roles: system -> role.
        levels: system -> means over all classes, and of the strata from common to unseen.
        losses: system -> common minus rare.
        tests: of :func:`paired`, or what it takes.
        metric: the primary one.
        more: fields of ``Evidence`` to replace.
    """
    of = {
        (system, group.name): level(value, 0.1, SIZES[group.name])
        for system, values in levels.items()
        for group, value in zip((EVERY_CLASS, *GROUPS), values, strict=True)
        if math.isfinite(value)
    }
    infos = systems(roles)
    fields: dict[str, Any] = {
        "metric": metric, "digits": 2, "systems": infos, "overall": EVERY_CLASS, "groups": GROUPS, "levels": of, "gaps": losses,
        "ends": (COMMON, RARE), "tests": tests if isinstance(tests, pd.DataFrame) else paired(tests),
        "family": Family(metric.name, named_pairs(infos), QUANTITIES),
    }  # fmt: skip
    return Evidence(**fields | more)


def said(sentences: Sequence[str]) -> list[str]:
    """Sentences without markup, with plain minus signs and spaces."""
    plain = (str(s).replace("<b>", "").replace("</b>", "").replace("<code>", "").replace("</code>", "") for s in sentences)
    return [text.replace("−", "-").replace("\N{NO-BREAK SPACE}", " ") for text in plain]
