"""The sentences at the top of the zero-shot report: what retrieval buys, or that it cannot be told."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis
from reaudio_eval.prompts.regimes import RARE
from reaudio_eval.reports.text import count, interval, listing, number, p_value
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.frames import lookup, records
from reaudio_eval.statistics.thresholds import ALPHA

AGAINST = {"twin": "its twin without retrieval {}", "copy": "the retrieved clips as they are {}"}
MOST = 3  # systems that get a sentence of their own


def sentences(analysis: ZeroshotAnalysis) -> list[Markup]:
    """For each system and regime, its difference to the twin and to copying; then what the oracle, copying and real audio reach."""
    metric = analysis.primary
    systems = list(analysis.systems.loc[analysis.systems["role"] == "system", "system"])
    if metric is None or not systems:
        return [Markup("No system has a value for a class, so there is nothing to say about zero-shot classes.")]
    told: list[Markup] = []
    for regime in records(analysis.regimes):
        if regime.regime in {r.name for r in RARE}:
            told += [
                _sentence(analysis, metric, regime, name) for name in _leading(analysis, metric, regime.regime, systems)
            ]
    if not told:
        told.append(
            Markup("No class of these prompts is zero-shot or few-shot, so there is nothing to say about such classes.")
        )
    if len(systems) > MOST:
        told.append(Markup("The tables have the other {} too.").format(count(len(systems) - MOST, "system")))
    return [*told, *_landmarks(analysis, metric)]


def _leading(analysis: ZeroshotAnalysis, metric: MetricInfo, regime: str, systems: list[str]) -> list[str]:
    """The systems a sentence is about: those with the best values where there are many."""
    found = lookup(analysis.by_regime[analysis.by_regime["metric"] == metric.name], "system", "regime")
    sign = -1 if metric.higher_is_better else 1

    def rank(name: str) -> float:
        row = found.get((name, regime))
        return math.inf if row is None or not math.isfinite(row.value) else sign * float(row.value)

    return sorted(systems, key=rank)[:MOST]


def _sentence(analysis: ZeroshotAnalysis, metric: MetricInfo, regime: Any, system: str) -> Markup:
    row = lookup(analysis.by_regime, "system", "metric", "regime").get((system, metric.name, regime.regime))
    classes = f"{count(regime.n_classes, 'class', 'classes')} {regime.title} ({count(regime.n_clips, 'clip')})"
    if regime.title in ("few-shot", "seen") or regime.title.startswith("zero-shot"):
        classes = f"{count(regime.n_classes, f'{regime.title} class', f'{regime.title} classes')} ({count(regime.n_clips, 'clip')})"
    opening = Markup("On the {}, <b>{}</b> ").format(classes, system)
    if row is None or not math.isfinite(row.value):
        return opening + Markup("has no number: {}.").format(getattr(row, "reason", None) or "it was not scored")
    digits = metric_decimals(analysis.base, metric)
    opening += Markup("has a {} of {}").format(metric.title, _measured(row.value, row.ci_low, row.ci_high, digits))
    if row.n_seen:
        opening += Markup(" over the {} it did not meet in training").format(count(row.n_classes, "class", "classes"))
    own = analysis.paired
    own = own[(own["metric"] == metric.name) & (own["regime"] == regime.regime) & (own["system"] == system)]
    if not analysis.systems.set_index("system").at[system, "training_known"]:
        return opening + Markup(
            "; what it was trained on is not known, so this is not called a zero-shot or few-shot number."
        )
    return opening + _comparisons(list(records(own)), metric, digits)


def _comparisons(rows: list[Any], metric: MetricInfo, digits: int) -> Markup:
    """What the tests say of each comparison; their intervals stand in the table beside."""
    if not rows:
        return Markup("; there is nothing to compare it with.")
    tested = [row for row in rows if math.isfinite(row.p_holm)]
    untested = [row for row in rows if not math.isfinite(row.p_holm)]
    told = Markup(".")
    if tested:
        told += Markup(" It is {}.").format(Markup(", and ").join(_compared(row, metric, digits) for row in tested))
    missed = [number(row.detectable, digits) for row in tested if row.p_holm >= ALPHA]
    if missed:
        told += Markup(" Differences below about {} would probably be missed.").format(listing(missed))
    known = [row for row in untested if math.isfinite(row.difference)]
    if known:
        sizes = [Markup("{} against {}").format(number(row.difference, digits, sign=True), _other(row)) for row in known]
        told += Markup(" The difference is {}").format(Markup(" and ").join(sizes)) + "."
    reasons = dict.fromkeys(str(row.reason) for row in untested)
    return told + (Markup(" Not tested: {}.").format("; ".join(reasons)) if reasons else Markup(""))


def _other(row: Any) -> Markup:
    return Markup(AGAINST[row.role]).format(Markup("<b>{}</b>").format(row.against))  # noqa: S704 - the texts are above


def _compared(row: Any, metric: MetricInfo, digits: int) -> Markup:
    size = f"{number(row.difference, digits, sign=True)}, Holm-corrected p {_p(row.p_holm)}"
    if row.p_holm < ALPHA:
        word = "better than" if (row.difference > 0) == metric.higher_is_better else "worse than"
    else:
        word = "not told apart from"
    return Markup("{} {} ({})").format(word, _other(row), size)


def _p(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _measured(value: float, low: float, high: float, digits: int) -> str:
    return " ".join(filter(None, [number(value, digits), interval(low, high, digits)]))


def _landmarks(analysis: ZeroshotAnalysis, metric: MetricInfo) -> list[Markup]:
    """What frames the numbers of the first regime: the oracle, copying, the real clips, noise."""
    if analysis.regimes.empty:
        return []
    first = analysis.regimes.iloc[0]
    found = lookup(analysis.by_regime, "system", "metric", "regime")
    digits, told = metric_decimals(analysis.base, metric), []
    for row in records(analysis.systems[analysis.systems["role"].isin(("oracle", "copy", "real", "noise"))]):
        value = found.get((row.system, metric.name, first["regime"]))
        if value is not None and math.isfinite(value.value):
            told.append(f"{row.system} {number(value.value, digits)}")
    return [Markup("For scale ({}): {}.").format(first["title"], listing(told))] if told else []


def finding(analysis: ZeroshotAnalysis, metric: MetricInfo) -> str:
    """What the figure shows, for those who do not see it."""
    digits, told = metric_decimals(analysis.base, metric), []
    own = analysis.by_regime[(analysis.by_regime["metric"] == metric.name) & analysis.by_regime["value"].notna()]
    for regime in records(analysis.regimes):
        values = [f"{r.system} {number(r.value, digits)}" for r in records(own[own["regime"] == regime.regime])]
        if values:
            told.append(f"{regime.title}: {listing(values)}")
    return f"{metric.title}, mean over classes. {'; '.join(told)}."
