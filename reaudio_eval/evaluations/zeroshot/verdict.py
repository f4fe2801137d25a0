"""Verdict of the zero-shot report."""

from __future__ import annotations

import math

from markupsafe import Markup

from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis
from reaudio_eval.frames.rows import records
from reaudio_eval.prompts.regimes import FEW, NEITHER, POOL_ONLY, RARE, REGIMES, SEEN, UNKNOWN_POOL
from reaudio_eval.reports.first_screen.evidence import Evidence, Group, Level
from reaudio_eval.reports.first_screen.sentences import sentences as first_sentences
from reaudio_eval.reports.text import listing, number
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo

PHRASES = {
    SEEN: "on seen classes", FEW: "on few-shot classes", UNKNOWN_POOL: "on zero-shot classes",
    POOL_ONLY: "on zero-shot classes that the pool holds", NEITHER: "on zero-shot classes in neither training nor pool",
}  # fmt: skip
UNKNOWN = "; its training data are not known, so this is not called a zero-shot or few-shot score"


def evidence(analysis: ZeroshotAnalysis) -> Evidence | None:
    """Of the primary metric, by regime; None without a metric."""
    metric = analysis.primary
    if metric is None:
        return None
    present = set(analysis.regimes["regime"])
    rows = analysis.by_regime[analysis.by_regime["metric"] == metric.name]
    systems = analysis.base.systems
    tests = analysis.paired[analysis.paired["metric"] == metric.name]
    return Evidence(
        metric,
        metric_decimals(analysis.base, metric),
        systems,
        None,
        tuple(Group(r.name, r.title, PHRASES[r]) for r in REGIMES if r.name in present),
        {(r.system, r.regime): Level.of(r) for r in records(rows)},
        {},
        None,
        tests.rename(columns={"regime": "quantity", "system": "system_a", "against": "system_b"}),
        analysis.family,
        against=tuple(s.name for s in systems if s.role == "copy"),
        remarks=_remarks(analysis, metric),
    )


def _remarks(analysis: ZeroshotAnalysis, metric: MetricInfo) -> dict[str, str]:
    """System -> what must be said of its classes: that its training is unknown, or which classes it was trained on."""
    unknown = {r.system: UNKNOWN for r in records(analysis.systems) if not r.training_known}
    rows = analysis.by_regime[(analysis.by_regime["metric"] == metric.name) & (analysis.by_regime["n_seen"] > 0)]
    seen: dict[str, float] = {}
    for row in records(rows):
        if math.isfinite(row.value):
            seen[row.system] = seen.get(row.system, 0) + row.n_seen
    left_out = {s: f"; without {n:.0f} classes in its own training data" for s, n in seen.items()}
    return left_out | unknown


def sentences(analysis: ZeroshotAnalysis) -> list[Markup]:
    """Levels by regime, and the differences from control and copy."""
    found = evidence(analysis)
    if found is None or not found.asked:
        return [Markup("No system is compared here, so the gain from retrieval cannot be evaluated.")]
    rare = {r.name for r in RARE}
    if not any(group.name in rare for group in found.groups):
        return [Markup("No class of these prompts is zero-shot or few-shot."), *first_sentences(found)]
    return first_sentences(found)


def finding(analysis: ZeroshotAnalysis, metric: MetricInfo) -> str:
    """Title of the figure: the means of each regime."""
    digits, regimes = metric_decimals(analysis.base, metric), []
    rows = analysis.by_regime[(analysis.by_regime["metric"] == metric.name) & analysis.by_regime["value"].notna()]
    for regime in records(analysis.regimes):
        values = [f"{r.system} {number(r.value, digits)}" for r in records(rows[rows["regime"] == regime.regime])]
        if values:
            regimes.append(f"{regime.title}: {listing(values)}")
    return f"{metric.title}, mean over classes. {'; '.join(regimes)}."
