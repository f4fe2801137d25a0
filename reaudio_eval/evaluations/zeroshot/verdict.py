"""Verdict of the zero-shot report in sentences."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.prompts.regimes import RARE
from reaudio_eval.reports.text import count, interval, listing, number, p_words
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.thresholds import ALPHA

AGAINST = {"control": "its control {}", "system": "{}", "copy": "the copies of the retrieved clips {}"}
MOST = 3  # systems that get a sentence of their own


def sentences(analysis: ZeroshotAnalysis) -> list[Markup]:
    """For each system and regime its difference from the control and from copying; then the values of the references."""
    metric = analysis.primary
    systems = list(analysis.systems.loc[analysis.systems["role"] == "system", "system"])
    if metric is None or not systems:
        return [Markup("No generated system is compared here, so the gain from retrieval cannot be evaluated.")]
    result: list[Markup] = []
    for regime in records(analysis.regimes):
        if regime.regime in {r.name for r in RARE}:
            result += [
                _sentence(analysis, metric, regime, name) for name in _leading(analysis, metric, regime.regime, systems)
            ]
    if not result:
        result.append(Markup("No class of these prompts is zero-shot or few-shot."))
    if len(systems) > MOST:
        result.append(Markup("The tables also contain the other {}.").format(count(len(systems) - MOST, "system")))
    return [*result, *_references(analysis, metric)]


def _leading(analysis: ZeroshotAnalysis, metric: MetricInfo, regime: str, systems: list[str]) -> list[str]:
    """The systems with the best values, each of which gets a sentence."""
    row_of = lookup(analysis.by_regime[analysis.by_regime["metric"] == metric.name], "system", "regime")
    sign = -1 if metric.higher_is_better else 1

    def rank(name: str) -> float:
        row = row_of.get((name, regime))
        return math.inf if row is None or not math.isfinite(row.value) else sign * float(row.value)

    return sorted(systems, key=rank)[:MOST]


def _sentence(analysis: ZeroshotAnalysis, metric: MetricInfo, regime: Any, system: str) -> Markup:
    row = lookup(analysis.by_regime, "system", "metric", "regime").get((system, metric.name, regime.regime))
    classes = f"{count(regime.n_classes, 'class', 'classes')} {regime.title} ({count(regime.n_clips, 'clip')})"
    if regime.title in ("few-shot", "seen") or regime.title.startswith("zero-shot"):
        classes = f"{count(regime.n_classes, f'{regime.title} class', f'{regime.title} classes')} ({count(regime.n_clips, 'clip')})"
    opening = Markup("On the {}, <b>{}</b> ").format(classes, system)
    if row is None or not math.isfinite(row.value):
        return opening + Markup("has no value: {}.").format(getattr(row, "reason", None) or "it was not scored")
    digits = metric_decimals(analysis.base, metric)
    opening += Markup("has a {} of {}").format(metric.title, _measured(row.value, row.ci_low, row.ci_high, digits))
    if row.n_seen:
        opening += Markup(" over the {} that are not in its training data").format(count(row.n_classes, "class", "classes"))
    paired = analysis.paired
    paired = paired[(paired["metric"] == metric.name) & (paired["regime"] == regime.regime) & (paired["system"] == system)]
    if not analysis.systems.set_index("system").at[system, "training_known"]:
        return opening + Markup("; its training data are not known, so this is not called a zero-shot or few-shot score.")
    return opening + _comparisons(list(records(paired)), metric, digits)


def _comparisons(rows: list[Any], metric: MetricInfo, digits: int) -> Markup:
    """Result of each test; the intervals are in the table beside."""
    if not rows:
        return Markup("; there is nothing to compare it with.")
    tested = [row for row in rows if math.isfinite(row.p_holm)]
    untested = [row for row in rows if not math.isfinite(row.p_holm)]
    sentence = Markup(".")
    if tested:
        sentence += Markup(" It is {}.").format(Markup(", and ").join(_compared(row, metric, digits) for row in tested))
    detectable = [number(row.detectable, digits) for row in tested if row.p_holm >= ALPHA]
    if detectable:
        sentence += Markup(" Differences below about {} would probably not be detected.").format(listing(detectable))
    known = [row for row in untested if math.isfinite(row.difference)]
    if known:
        sizes = [Markup("{} from {}").format(number(row.difference, digits, sign=True), _other(row)) for row in known]
        sentence += Markup(" The difference is {}").format(Markup(" and ").join(sizes)) + "."
    reasons = dict.fromkeys(str(row.reason) for row in untested)
    return sentence + (Markup(" Not tested: {}.").format("; ".join(reasons)) if reasons else Markup(""))


def _other(row: Any) -> Markup:
    return Markup(AGAINST[row.role]).format(Markup("<b>{}</b>").format(row.against))  # noqa: S704 - the texts are above


def _compared(row: Any, metric: MetricInfo, digits: int) -> Markup:
    size = f"{number(row.difference, digits, sign=True)}, Holm-corrected p {p_words(row.p_holm)}"
    if row.p_holm < ALPHA:
        direction = "better" if (row.difference > 0) == metric.higher_is_better else "worse"
        word = f"significantly {direction} than"
    else:
        word = "not significantly different from"
    return Markup("{} {} ({})").format(word, _other(row), size)


def _measured(value: float, low: float, high: float, digits: int) -> str:
    return " ".join(filter(None, [number(value, digits), interval(low, high, digits)]))


def _references(analysis: ZeroshotAnalysis, metric: MetricInfo) -> list[Markup]:
    """Values of oracle, copying, real clips and noise in the first regime."""
    if analysis.regimes.empty:
        return []
    first = analysis.regimes.iloc[0]
    row_of = lookup(analysis.by_regime, "system", "metric", "regime")
    digits, values = metric_decimals(analysis.base, metric), []
    for row in records(analysis.systems[analysis.systems["role"].isin(("oracle", "copy", "real", "noise"))]):
        reference = row_of.get((row.system, metric.name, first["regime"]))
        if reference is not None and math.isfinite(reference.value):
            values.append(f"{row.system} {number(reference.value, digits)}")
    return [Markup("References ({}): {}.").format(first["title"], listing(values))] if values else []


def finding(analysis: ZeroshotAnalysis, metric: MetricInfo) -> str:
    """Title of the figure: the means of each regime."""
    digits, regimes = metric_decimals(analysis.base, metric), []
    rows = analysis.by_regime[(analysis.by_regime["metric"] == metric.name) & analysis.by_regime["value"].notna()]
    for regime in records(analysis.regimes):
        values = [f"{r.system} {number(r.value, digits)}" for r in records(rows[rows["regime"] == regime.regime])]
        if values:
            regimes.append(f"{regime.title}: {listing(values)}")
    return f"{metric.title}, mean over classes. {'; '.join(regimes)}."
