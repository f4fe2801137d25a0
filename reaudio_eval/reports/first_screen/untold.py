"""Sentences on what the confirmatory tests could not find."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from markupsafe import Markup

from reaudio_eval.reports.first_screen.evidence import Difference, Evidence
from reaudio_eval.reports.first_screen.words import quantity_words
from reaudio_eval.reports.text import listing, number


def untold(evidence: Evidence) -> Iterator[Markup]:
    """The differences that the tests would probably have missed, and where no difference could be significant, with the reason.

    Significant differences leave nothing open and are not counted.
    """
    limits, impossible = [], []
    for name, words in quantity_words(evidence):
        pairs = (evidence.difference(a, b, name) for a, b in evidence.family.pairs)
        still_open = [d for d in pairs if d is not None and not d.significant]
        detectable = [d.detectable for d in still_open if d.tested and math.isfinite(d.detectable)]
        if detectable:
            limits.append(f"{number(median(detectable), evidence.digits)} {words}")
        impossible += [f"{words} ({reason})" for reason in dict.fromkeys(map(_reason, still_open)) if reason]
    if limits:
        yield Markup("Differences of less than about {} would probably not be found (power 0.8{}).").format(
            listing(limits), ", median over the pairs" if len(evidence.family.pairs) > 1 else ""
        )
    if impossible:
        yield Markup("No difference could be significant {}.").format(listing(impossible))


def _reason(difference: Difference) -> str:
    """Why a difference cannot be significant, or ""."""
    return difference.power_note or ("" if difference.tested else difference.level.reason)
