"""Verdict of the first screen in sentences.

Each clause rests on an interval or a test that the page prints: "worse on rare sounds" on the 95 % interval of the system's own loss,
"better", "worse" and "not significantly different" on a Holm-corrected paired test.
"""

from __future__ import annotations

from functools import partial

from markupsafe import Markup

from reaudio_eval.reports.first_screen.comparison import against_controls
from reaudio_eval.reports.first_screen.evidence import Evidence
from reaudio_eval.reports.first_screen.levels import described, level_sentence
from reaudio_eval.reports.first_screen.ranking import ranking
from reaudio_eval.reports.first_screen.untold import untold
from reaudio_eval.reports.margins import margin_sentences
from reaudio_eval.statistics.analysis import LongtailAnalysis

FEW = 2  # with more systems than this they are ranked instead of described one by one
NOTHING = Markup("No system has a value for any metric, so there is nothing to compare.")


def verdict(analysis: LongtailAnalysis, evidence: Evidence | None) -> list[Markup]:
    """Why there are no strata, where that is so; then what the primary metric allows one to say (``evidence``, None without a metric), and
    the tests of a margin."""
    reason = [Markup("{}").format(analysis.no_strata)] if analysis.no_strata else []
    return [*reason, *([NOTHING] if evidence is None else sentences(evidence)), *margin_sentences(analysis)]


def sentences(evidence: Evidence) -> list[Markup]:
    """The verdict: levels or ranking, comparison with the control, what could not be told.

    Where no system competes, the levels of copies and of the oracle.
    """
    if evidence.references_alone:
        return [level_sentence(evidence, name) for name in evidence.references_alone]
    if not any(_known(evidence, name) for name in evidence.competitors):
        return [
            Markup("No {} has a value for {}, so there is nothing to compare.").format(
                evidence.words.noun, evidence.metric.title
            )
        ]
    if not evidence.asked:
        return [level_sentence(evidence, name) for name in evidence.controls]
    ranked = evidence.ranked or len(evidence.asked) > FEW
    first = (
        [*ranking(evidence), *map(partial(level_sentence, evidence), evidence.controls)] if ranked else described(evidence)
    )
    return [*first, *against_controls(evidence, ranked), *untold(evidence)]


def _known(evidence: Evidence, system: str) -> bool:
    return any(level.known for (name, _), level in evidence.levels.items() if name == system)
