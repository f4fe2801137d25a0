"""The report of a listening test: one HTML file, with tables, figures and JSON beside it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reaudio_eval import __version__
from reaudio_eval.evaluations.listening.analysis import ListeningAnalysis
from reaudio_eval.evaluations.listening.figures import (
    forest_figure,
    forest_finding,
    means_figure,
    means_finding,
    scatter_figure,
)
from reaudio_eval.evaluations.listening.records import QUESTIONS, REL
from reaudio_eval.evaluations.listening.screening import MIN_ANSWERED
from reaudio_eval.evaluations.listening.stimuli import LEVEL_DB
from reaudio_eval.evaluations.listening.tables import (
    agreement_table,
    means_table,
    metrics_table,
    paired_table,
    participants_table,
    question_title,
    separation,
    strength_table,
    system_infos,
    value_digits,
)
from reaudio_eval.reports.figure_files import FigureFiles
from reaudio_eval.reports.files import record_json, write_frames
from reaudio_eval.reports.page import render_page
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.reports.text import count, interval, listing, number
from reaudio_eval.reports.views import TableView
from reaudio_eval.runs.directory import SCHEMA_VERSION
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.frames import lookup
from reaudio_eval.statistics.rows import ALL
from reaudio_model.common.files import atomic_write

SECTIONS = (
    ("verdict", "Verdict"), ("systems", "Systems"), ("differences", "Differences"), ("metrics", "Metrics"),
    ("agreement", "Agreement"), ("participants", "Participants"), ("method", "Method"),
)  # fmt: skip
FRAMES = ("means", "paired", "strength", "agreement", "metrics", "clips", "participants")


def render_listening(analysis: ListeningAnalysis, output: Path) -> RenderedReport:
    """Write ``listening.html``, ``listening.json``, ``tables/`` (CSV, LaTeX) and ``figures/`` into ``output``.

    Raises:
        ReaudioError: ``output`` cannot be written.
    """
    systems = system_infos(analysis)
    figures = FigureFiles(systems, output / "figures")
    metric = primary_metric(analysis)
    strata = [ALL, *analysis.key.strata] if len(analysis.key.strata) > 1 else [ALL]
    content: dict[str, Any] = {
        "analysis": analysis,
        "key": analysis.key,
        "sentences": list(sentences(analysis)),
        "means": means_table(analysis),
        "by_stratum": [means_table(analysis, s) for s in strata[1:]],
        "strength": strength_table(analysis),
        "paired": [paired_table(analysis, q, s) for q in QUESTIONS for s in strata],
        "metrics_table": metrics_table(analysis),
        "kendall": metrics_table(analysis, kendall=True),
        "agreement": agreement_table(analysis),
        "participants": participants_table(analysis),
        "means_figure": figures.add("listening-means", means_figure(analysis), means_finding(analysis)),
        "scatter": metric
        and figures.add("listening-scatter", scatter_figure(analysis, metric), f"{metric.title} of each clip against its rating."),
        "forest": figures.add("listening-metrics", forest_figure(analysis), forest_finding(analysis), legend=False),
        "provenance": provenance(analysis),
        "min_answered": f"{MIN_ANSWERED:.0%}",
    }  # fmt: skip
    tables = _write_tables(analysis, content, output / "tables")
    atomic_write(output / "listening.json", listening_json(analysis))
    page = render_page(
        Path(__file__).with_name("listening_report.html.j2"),
        name="listening",
        title=f"Listening test {analysis.key.test_id}",
        sections=SECTIONS,
        systems=systems,
        content=content,
    )
    atomic_write(output / "listening.html", page.encode())
    return RenderedReport(output / "listening.html", output / "listening.json", tuple(figures.written), tuple(tables), ())


def _write_tables(analysis: ListeningAnalysis, content: dict[str, Any], folder: Path) -> list[Path]:
    names = ("means", "strength", "agreement", "metrics_table", "kendall")
    views: list[TableView | None] = [*(content[n] for n in names), *content["by_stratum"], *content["paired"]]
    frames = {name: getattr(analysis, name) for name in FRAMES}
    return write_frames(frames, [view for view in views if view is not None], folder)


def listening_json(analysis: ListeningAnalysis) -> bytes:
    """Every number; what the key says of forms and clips stays in the key."""
    fields = {f.name: getattr(analysis, f.name) for f in dataclasses.fields(analysis) if f.name != "key"}
    return record_json({"schema_version": SCHEMA_VERSION, "test": provenance(analysis), **fields})


def provenance(analysis: ListeningAnalysis) -> dict[str, Any]:
    """What was asked, of whom, about what."""
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
        "levels": f"{LEVEL_DB:g} dB full scale RMS" if key.normalised else "as the systems made them",
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
    """What the answers allow one to say."""
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
    """Which generated system leads on a question, and whom the tests separate from it; "" without a value."""
    found = separation(analysis, question)
    if found.leader is None:
        return ""
    digits = value_digits(analysis)
    row = lookup(analysis.means[analysis.means["stratum"] == ALL], "question", "system")[question, found.leader]
    ends = interval(row.ci_low, row.ci_high, digits)
    start = f"{question_title(question)}: {found.leader} has {number(row.value, digits)}{' ' + ends if ends else ''}"
    others = [*found.beaten, *found.within_noise, *found.untested]
    if not others:
        return f"{start}; no other generated system was rated."
    if found.beaten:
        told = f"the highest of the generated systems; the paired tests separate it from {listing(found.beaten)}"
        rest = [*found.within_noise, *found.untested]
        return f"{start}, {told}{f', not from {listing(rest)}' if rest else ''}."
    near = (
        f" (a difference of about {number(found.detectable, digits)} would be found)"
        if math.isfinite(found.detectable)
        else ""
    )
    return f"{start}; the paired tests separate no other generated system from it{near}."


def metric_sentence(analysis: ListeningAnalysis, metric: MetricInfo) -> str:
    """How far a metric follows the listeners' judgement of relevance."""
    found = lookup(analysis.metrics[analysis.metrics["question"] == REL], "metric", "level", "statistic")
    clip, choice = (found.get((metric.name, *k)) for k in (("clip", "spearman"), ("choice", "accuracy")))
    if clip is None or not math.isfinite(clip.value):
        return f"Whether {metric.title} follows the listeners cannot be said: {clip.reason if clip else 'nobody answered'}."
    ends = interval(clip.ci_low, clip.ci_high, 2)
    text = f"{metric.title} and the listeners' {REL} correlate over single clips by Spearman {number(clip.value, 2)}"
    text += f" {ends}" if ends else ""
    if not ends:
        text += " (too few prompts for an interval)"
    elif clip.ci_low <= 0 <= clip.ci_high:
        text += ", which cannot be told from no relation"
    if choice is not None and math.isfinite(choice.value):
        text += f"; of two clips of a prompt it prefers the listeners' choice in {choice.value:.0%} of {choice.n:,.0f} cases (chance: 50%)"
    return f"{text}."
