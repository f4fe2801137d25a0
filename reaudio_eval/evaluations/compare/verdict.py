"""What the verdict of the comparison rests on."""

from __future__ import annotations

import dataclasses

from markupsafe import Markup

from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.reports.first_screen.evidence import Evidence, Words, longtail_evidence
from reaudio_eval.reports.first_screen.sentences import verdict


def evidence(comparison: Comparison) -> Evidence | None:
    """Of the primary metric; the systems that are compared with the baseline. None without a metric."""
    found = longtail_evidence(comparison.analysis)
    if found is None:
        return None
    shown = {comparison.baseline, *comparison.compared}
    others = frozenset(s.name for s in found.systems if s.competes and s.name not in shown)
    reference = () if comparison.baseline in found.controls else (comparison.baseline,)
    return dataclasses.replace(found, words=Words(control="baseline"), left_out=others, against=reference)


def verdict_sentences(comparison: Comparison) -> list[Markup]:
    """Levels or ranking on the primary metric, and the significant differences from the baseline."""
    return verdict(comparison.analysis, evidence(comparison))
