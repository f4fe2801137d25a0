"""Verdict of a listening test in sentences, and its provenance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from reaudio_eval import __version__
from reaudio_eval.evaluations.listening.analysis import ListeningAnalysis
from reaudio_eval.evaluations.listening.records import QUESTIONS, REL
from reaudio_eval.evaluations.listening.stimuli import LEVEL_DB
from reaudio_eval.evaluations.listening.tables import question_title, separation, value_digits
from reaudio_eval.frames.rows import lookup
from reaudio_eval.reports.text import count, interval, listing, number
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.rows import ALL


def provenance(analysis: ListeningAnalysis) -> dict[str, Any]:
    """Design, systems, prompts and forms of the test."""
    key = analysis.key
    return {
        "test id": key.test_id,
        "design": "ratings" if key.design == "mos" else "pairs",
        "scale": f"1 to {key.scale}" if key.design == "mos" else "A, B or no difference",
        "systems": [s.name for s in key.systems],
        "prompts": len(key.prompts),
        "strata": {s or "none": sum(p.stratum == s for p in key.prompts) for s in key.strata},
        "forms": len(key.forms),
        "items in a form": [len(f.items) for f in key.forms],
        "levels": f"{LEVEL_DB:g} dB full scale RMS" if key.normalised else "not normalised",
        "audio": key.audio,
        "dataset": dict(key.dataset),
        "seed of the test": key.seed,
        "seed of the analysis": analysis.seed,
        "failed checks allowed": None if analysis.keep_all else analysis.max_failed,
        "reaudio-eval": __version__,
    }


def primary_metric(analysis: ListeningAnalysis) -> MetricInfo | None:
    """The metric drawn against the ratings: a CLAP score, else the first with values of clips."""
    scored = {s.metric for s in analysis.key.scores if s.clip_id is not None}
    candidates = [m for m in analysis.key.metrics if m.name in scored]
    return min(candidates, key=lambda m: m.role != "text_similarity", default=None)


def sentences(analysis: ListeningAnalysis) -> Iterator[str]:
    """The verdict, most important first."""
    n_answers = int(analysis.clips["n_answers"].sum()) // (2 if analysis.key.design == "pairs" else 1)
    yield (
        f"{count(analysis.n_kept, 'participant')} gave {count(n_answers, 'answer')} about {count(len(analysis.key.systems), 'system')} "
        f"on {count(len(analysis.key.prompts), 'prompt')}."
    )
    for question in QUESTIONS:
        sentence = leader_sentence(analysis, question)
        if sentence:
            yield sentence
    metric = primary_metric(analysis)
    if metric is not None:
        yield metric_sentence(analysis, metric)


def leader_sentence(analysis: ListeningAnalysis, question: str) -> str:
    """The leading generated system on a question, and the systems that are significantly different; "" without a value."""
    tests = separation(analysis, question)
    if tests.leader is None:
        return ""
    digits = value_digits(analysis)
    row = lookup(analysis.means[analysis.means["stratum"] == ALL], "question", "system")[question, tests.leader]
    ends = interval(row.ci_low, row.ci_high, digits)
    start = f"{question_title(question)}: {tests.leader} has {number(row.value, digits)}{' ' + ends if ends else ''}"
    others = [*tests.beaten, *tests.within_noise, *tests.untested]
    if not others:
        return f"{start}; no other generated system was rated."
    if tests.beaten:
        rest = [*tests.within_noise, *tests.untested]
        not_from = f", not from {listing(rest)}" if rest else ""
        beaten = f"significantly different from {listing(tests.beaten)}{not_from} (paired tests)"
        return f"{start}, the highest of the generated systems; {beaten}."
    limit = ""
    if math.isfinite(tests.detectable):
        limit = f" (detectable difference: about {number(tests.detectable, digits)})"
    return f"{start}; not significantly different from any other generated system{limit}."


def metric_sentence(analysis: ListeningAnalysis, metric: MetricInfo) -> str:
    """Correlation of a metric with the listeners' ratings of relevance."""
    row_of = lookup(analysis.metrics[analysis.metrics["question"] == REL], "metric", "level", "statistic")
    clip, choice = (row_of.get((metric.name, *k)) for k in (("clip", "spearman"), ("choice", "accuracy")))
    if clip is None or not math.isfinite(clip.value):
        return f"No correlation of {metric.title} with the listeners: {clip.reason if clip else 'there are no answers'}."
    ends = interval(clip.ci_low, clip.ci_high, 2)
    text = f"{metric.title} and the listeners' {REL} correlate over single clips by Spearman {number(clip.value, 2)}"
    text += f" {ends}" if ends else ""
    if not ends:
        text += " (too few prompts for an interval)"
    elif clip.ci_low <= 0 <= clip.ci_high:
        text += ", not significantly different from 0"
    if choice is not None and math.isfinite(choice.value):
        text += f"; of two clips of a prompt it prefers the one that listeners prefer in {choice.value:.0%} of {choice.n:,.0f} cases"
        text += " (chance level: 50%)"
    return f"{text}."
