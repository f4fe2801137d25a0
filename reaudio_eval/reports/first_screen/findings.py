"""Findings of the verdict as records, for ``--json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reaudio_eval.reports.first_screen.evidence import Difference, Evidence, Level
from reaudio_eval.reports.views import NOT_COMPUTED
from reaudio_eval.statistics.families import GAP

Json = dict[str, Any]


def verdict_json(evidence: Evidence | None) -> Json:
    """The confirmatory family, and one record for each level and difference that the first screen rests on.

    A record has ``system``, ``stratum`` ("classes" is the mean over all classes, "gap_head_tail" the common minus the rare), ``value`` and
    ``ci`` of the system there, and, where it was compared, ``against``, ``difference`` (system minus against), ``difference_ci``,
    ``p_holm``, ``significant``, ``family``, ``detectable`` and ``reason``.
    """
    if evidence is None:
        return {"family": None, "findings": []}
    family = evidence.family
    named = {
        "metric": family.metric, "pairs": [list(pair) for pair in family.pairs], "quantities": list(family.quantities),
        "n_tests": evidence.n_tests,
    }  # fmt: skip
    return {"family": named, "findings": list(_findings(evidence))}


def _findings(evidence: Evidence) -> Iterator[Json]:
    names = [*evidence.competitors, *evidence.references_alone, *([evidence.real] if evidence.real else [])]
    groups = [*([evidence.overall.name] if evidence.overall else []), *(g.name for g in evidence.groups)]
    for name in names:
        for group in [*groups, *([GAP] if evidence.ends else [])]:
            level = evidence.gaps.get(name, Level()) if group == GAP else evidence.level(name, group)
            record = {"system": name, "stratum": group, "value": level.value, "ci": [level.ci_low, level.ci_high]}
            tests = list(_tests(evidence, name, group))
            yield from ({**record, **_compared(test)} for test in tests)
            if not tests:
                yield {**record, **_uncompared(level)}


def _tests(evidence: Evidence, system: str, group: str) -> Iterator[Difference]:
    """The confirmatory tests of a system, each pair once, and those with the copy of the retrieved clips."""
    for a, b in evidence.family.pairs:
        if a == system and (found := evidence.difference(a, b, group)) is not None:
            yield found
    if system in evidence.asked:
        for copy in (s.name for s in evidence.systems if s.role == "copy"):
            if (found := evidence.difference(system, copy, group)) is not None:
                yield found


def _compared(test: Difference) -> Json:
    return {
        "against": test.against, "difference": test.level.value, "difference_ci": [test.level.ci_low, test.level.ci_high],
        "p_holm": test.p_holm, "significant": test.significant if test.tested else None, "family": test.family,
        "detectable": test.detectable, "reason": test.power_note or test.level.reason or None,
    }  # fmt: skip


def _uncompared(level: Level) -> Json:
    missing = ("against", "difference", "difference_ci", "p_holm", "significant", "family", "detectable")
    reason = None if level.known and level.reason == NOT_COMPUTED else level.reason or None
    return dict.fromkeys(missing) | {"reason": reason}
