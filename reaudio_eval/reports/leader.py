"""Sentence on the leading system."""

from __future__ import annotations

import math

from markupsafe import Markup

from reaudio_eval.frames.rows import records
from reaudio_eval.reports.text import bold_listing, count, interval, number
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.separation import Separation, overall_separation
from reaudio_eval.statistics.thresholds import ALPHA

NOTHING = Markup("No generated system has a value for any metric, so there is nothing to compare.")


def without_strata(analysis: LongtailAnalysis) -> list[Markup]:
    """Why a report has no strata, as its first sentence; none for other reports."""
    return [Markup("{}").format(analysis.no_strata)] if analysis.no_strata else []


def leader_sentence(analysis: LongtailAnalysis, metric: MetricInfo) -> Markup:
    """The generated system with the best value of a metric over all clips, and the results of its paired tests."""
    tests = overall_separation(analysis, metric)
    if metric.target is not None:
        return Markup("The ideal {} is {}, so no system has the best value.").format(metric.title, f"{metric.target:g}")
    if tests.leader is None:
        return Markup("No generated system has a value for {}.").format(metric.title)
    rows = analysis.overall[analysis.overall["metric"] == metric.name]
    digits = metric_decimals(analysis, metric)
    row = next(r for r in records(rows) if r.system == tests.leader)
    value = " ".join(filter(None, [number(row.value, digits), interval(row.ci_low, row.ci_high, digits)]))
    others = len(tests.beaten) + len(tests.within_noise) + len(tests.untested)
    clips = count(row.n_clips, "clip")
    if not others:
        return Markup("<b>{}</b> has a {} of {} over {}; there is no other system to compare it with.").format(
            tests.leader, metric.title, value, clips
        )
    opening = Markup("<b>{}</b> has the {} {}, {}").format(
        tests.leader, "highest" if metric.higher_is_better else "lowest", metric.title, value
    )
    if len(tests.beaten) == others:
        return opening + Markup(", significantly different from {} (paired tests, Holm-corrected p < {}).").format(
            "the other system" if others == 1 else f"all {others} other systems", ALPHA
        )
    return opening + _not_best(tests, others, digits, clips)


def _not_best(tests: Separation, others: int, digits: int, clips: str) -> Markup:
    limit = ""
    if math.isfinite(tests.detectable):
        limit = f"; with {clips}, differences below about {number(tests.detectable, digits)} would probably not be detected"
    if len(tests.untested) == others:
        return Markup(", but no paired test could be made, so the order may be due to chance.")
    if not tests.beaten:
        rest = "the other system" if others == 1 else f"any of the other {others} systems"
        return Markup(", but it is not significantly different from {}{}.").format(rest, limit)
    sentence = Markup(". It is significantly different from {} of {} other systems").format(len(tests.beaten), others)
    if tests.within_noise:
        sentence += Markup(" and not significantly different from {}{}").format(bold_listing(tests.within_noise), limit)
    if tests.untested:
        sentence += Markup("; {} could not be tested").format(bold_listing(tests.untested))
    return sentence + "."
