"""Verdict of the comparison in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.evaluations.compare.tables import gain
from reaudio_eval.frames.rows import records
from reaudio_eval.reports.leader import NOTHING, leader_sentence, without_strata
from reaudio_eval.reports.text import bold_listing, listing, stratum_words
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.thresholds import ALPHA


def verdict_sentences(comparison: Comparison) -> list[Markup]:
    """The leader on the primary metric, and the significant differences from the baseline over all clips and in each stratum."""
    analysis = comparison.analysis
    if analysis.primary is None:
        return [*without_strata(analysis), NOTHING]
    metric = analysis.metric(analysis.primary)
    verdict = [*without_strata(analysis), leader_sentence(analysis, metric)]
    rows = comparison.strata[comparison.strata["metric"] == metric.name]
    rows = rows[rows["system"].isin(comparison.compared) & rows["difference"].notna()]
    overall = list(records(rows[rows["quantity"] == "all"]))
    if overall:
        opening = Markup("Compared with <b>{}</b> over all clips: {}.")
        verdict.append(opening.format(comparison.baseline, _outcome(overall, metric)))
    same, untested = [], []
    for stratum in analysis.strata:
        tests = list(records(rows[rows["quantity"] == stratum.name]))
        if any(row.p_holm < ALPHA for row in tests):
            verdict.append(Markup("In {}: {}.").format(stratum_words(stratum), _outcome(tests, metric)))
        elif any(math.isfinite(row.p_holm) for row in tests):
            same.append(stratum.name)
        elif tests:
            untested.append(stratum.name)
    if same:
        verdict.append(Markup("Strata without a significant difference: {}.").format(listing(same)))
    if untested:
        verdict.append(Markup("Strata without a test: {}.").format(listing(untested)))
    return verdict


def _outcome(rows: Sequence[Any], metric: MetricInfo) -> Markup:
    """Systems that are significantly better or worse than the baseline, and the others."""
    better = [r.system for r in rows if r.p_holm < ALPHA and gain(metric, r.difference) > 0]
    worse = [r.system for r in rows if r.p_holm < ALPHA and gain(metric, r.difference) < 0]
    untested = [r.system for r in rows if not math.isfinite(r.p_holm)]
    rest = [r.system for r in rows if r.system not in {*better, *worse, *untested}]
    groups = (
        (better, "significantly better"), (worse, "significantly worse"), (rest, "not significantly different"), (untested, "not tested"),
    )  # fmt: skip
    return Markup("; ").join(Markup("{}: {}").format(what, bold_listing(names)) for names, what in groups if names)
