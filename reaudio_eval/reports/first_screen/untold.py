"""Sentences on what the confirmatory tests could not find."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from markupsafe import Markup

from reaudio_eval.reports.first_screen.evidence import Difference, Evidence
from reaudio_eval.reports.first_screen.words import quantity_words
from reaudio_eval.reports.text import listing, number

PLAN = Markup("<code>reaudio-eval plan</code> says how many classes, prompts and seeds they need")


def untold(evidence: Evidence) -> Iterator[Markup]:
    """The differences that the tests would probably have missed, where no difference could be significant, and what was not tested.

    Significant differences leave nothing open and are not counted. An alert names the pairs without a common prompt.
    """
    limits: list[str] = []
    powerless: list[str] = []
    untested: dict[str, list[str]] = {}
    for name, words in quantity_words(evidence):
        still_open = _open(evidence, name)
        detectable = [d.detectable for d in still_open if d.tested and math.isfinite(d.detectable)]
        if detectable:
            limits.append(f"{number(median(detectable), evidence.digits)} {words}")
        if any(d.power_note for d in still_open):
            powerless.append(words)
        for reason in dict.fromkeys(d.level.reason for d in still_open if not d.tested and d.level.reason):
            untested.setdefault(reason, []).append(words)
    if limits:
        yield Markup("Differences of less than about {} would probably not be found (power 0.8{}); {}.").format(
            listing(limits), ", median over the pairs" if len(evidence.family.pairs) > 1 else "", PLAN
        )
    if powerless:
        yield Markup("Whatever its size, no difference would probably be significant {}.").format(listing(powerless))
    for reason, where in untested.items():
        yield Markup("No test could be made {}: {}.").format(listing(where), reason)


def _open(evidence: Evidence, quantity: str) -> list[Difference]:
    """The differences of the family in a quantity that are not significant, of systems with common prompts."""
    pairs = (evidence.difference(a, b, quantity) for a, b in evidence.family.pairs if not evidence.apart(a, b))
    return [d for d in pairs if d is not None and not d.significant]
