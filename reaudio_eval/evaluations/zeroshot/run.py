"""``reaudio-eval zeroshot``: what retrieval buys on classes the generator never saw, and the report of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reaudio_eval import plugins
from reaudio_eval.clips.collect import SystemRequest, competes, shown_name
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.longtail.plan import LongtailRequest, Plan, plan
from reaudio_eval.evaluations.longtail.run import analyse_and_store, score_plan
from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis, analyse_zeroshot
from reaudio_eval.evaluations.zeroshot.comparisons import Role
from reaudio_eval.evaluations.zeroshot.page import render_zeroshot
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.regimes import FEW_SHOT, check_few_shot, rare_prompts
from reaudio_eval.prompts.training_labels import NOTHING, UNKNOWN, Training, declared, from_option, known_labels
from reaudio_eval.reports.media import INLINE_PLAYERS
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.runs.bundled import BASELINES, COPY, baseline_names
from reaudio_eval.scores.evaluate import Options, Tools
from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.progress import Reporter
from reaudio_model.common.tables import read_table, require_unique, require_values

SELECTION = "prompts with a zero-shot or few-shot class"
ORACLES = {"re-audioldm-s": "oracle-s", "re-audioldm-l": "oracle-l", "re-audioldm-s-audio": "oracle-s-audio"}


@dataclass(frozen=True)
class ZeroshotRequest:
    """What to evaluate.

    Attributes:
        evaluation: systems, data, sampling and output, as for ``longtail``; its limit counts chosen prompts.
        few_shot: a class with 1 to so many training clips is few-shot; 0 has no such regime.
        every_prompt: use every prompt of the split, not only those with a zero-shot or few-shot class.
        trained_on: system -> "dataset", "all", "nothing", a corpus, or a file of labels (``training_labels.from_option``).
        twin: the system without retrieval among those evaluated; None takes the bundled one where it is there.
        copied: the retrieved clips as they are, among the systems evaluated; None takes ``copy-retrieved`` where it is there.
        oracle: beside a bundled system that retrieves, its oracle.
        pool_labels: CSV (label, n_pool) of what the retrieval pool holds, where that is not the dataset's default pool.
    """

    evaluation: LongtailRequest
    few_shot: int = FEW_SHOT
    every_prompt: bool = False
    trained_on: Mapping[str, str] = field(default_factory=dict)
    twin: str | None = None
    copied: str | None = None
    oracle: bool = True
    pool_labels: Path | None = None


@dataclass(frozen=True)
class ZeroshotResult:
    """What came out; see ``longtail_run.LongtailResult``."""

    analysis: ZeroshotAnalysis
    report: RenderedReport
    runs: tuple[Path, ...]
    audit: Mapping[str, Any]


def plan_zeroshot(request: ZeroshotRequest, options: Options) -> tuple[Plan, dict[str, Training]]:
    """The plan of the evaluation, with the prompts chosen and the oracle added, and what each system was trained on.

    Raises:
        ReaudioError: anything that would make the run fail later and can be known now.
    """
    evaluation = request.evaluation
    check_few_shot(request.few_shot)
    if evaluation.limit is not None and evaluation.limit < 1:
        raise ReaudioError(f"--limit must be 1 or more, not {evaluation.limit}.")
    whole = plan(dataclasses.replace(evaluation, limit=None), options)
    dataset = dataclasses.replace(whole.dataset, pool_counts=_pool_counts(request, whole.dataset))
    found = dataset.prompts if request.every_prompt else rare_prompts(dataset, request.few_shot)
    chosen = _in_order(dataset, found[: evaluation.limit])
    requests = [*whole.requests]
    if request.oracle and dataset.name == "miniature":
        beside = [ORACLES[name] for name in evaluation.models if name in ORACLES and name not in evaluation.weights]
        requests += [SystemRequest(shown_name(o), o) for o in dict.fromkeys(beside) if o not in evaluation.models]
    todo = dataclasses.replace(
        whole,
        dataset=dataclasses.replace(dataset, prompts=chosen),
        requests=tuple(requests),
        tools=whole.tools if request.every_prompt else _without_sets(whole.tools),
        selection=_selection(request, len(chosen), len(dataset.prompts)),
    )
    _roles(request, [r.name for r in requests] + _packaged(request, dataset))
    return todo, _training(request, todo)


def _selection(request: ZeroshotRequest, n: int, n_all: int) -> str | None:
    if not request.every_prompt:
        return SELECTION
    return None if n == n_all else f"the first {n} prompts"


def _in_order(dataset: Dataset, chosen: tuple[Prompt, ...]) -> tuple[Prompt, ...]:
    ids = {p.clip_id for p in chosen}
    return tuple(p for p in dataset.prompts if p.clip_id in ids)


def _without_sets(tools: Tools) -> Tools:
    """Metrics of a clip or a label, and the networks behind them.

    Raises:
        ReaudioError: there is none.
    """
    metrics = tuple(m for m in tools.metrics if m.info.level != "set")
    if not any(m.unavailable is None for m in metrics):
        reasons = "; ".join(dict.fromkeys(m.unavailable for m in metrics if m.unavailable)) or "all are of sets of clips"
        raise ReaudioError(
            f"None of the metrics has a value of a class ({reasons}): choose others with --metric or --embedder."
        )
    needed = {m.info.embedder for m in metrics}
    return Tools({name: e for name, e in tools.embedders.items() if name in needed}, metrics)


def _packaged(request: ZeroshotRequest, dataset: Dataset) -> list[str]:
    """Systems whose scores come with the package."""
    if request.evaluation.baselines != "bundled":
        return []
    return [name for name in baseline_names(dataset, request.evaluation.models) if name != COPY]


def _pool_counts(request: ZeroshotRequest, dataset: Dataset) -> Mapping[str, int] | None:
    """What the pool holds: as the user says, else as the dataset says, unless another pool was named."""
    path = request.pool_labels
    if path is None:
        return None if request.evaluation.index is not None else dataset.pool_counts
    table = read_table(path, ["label", "n_pool"], "the labels of the retrieval pool")
    require_values(table, "label", path)
    require_unique(table, ["label"], path)
    known = known_labels(dataset)
    counts: dict[str, int] = {}
    for row, (label, n) in enumerate(zip(table["label"], table["n_pool"], strict=True), start=1):
        if not n.strip().isdecimal():
            raise ReaudioError(f"{path} row {row}: n_pool {n!r} is not a whole number of at least 0.")
        counts |= dict.fromkeys(known.parse(label, f"{path} row {row}"), int(n))
    return counts


def _training(request: ZeroshotRequest, todo: Plan) -> dict[str, Training]:
    """What every system was trained on: as the user says, else as its model file says. Weights of the user's may be of anything."""
    dataset, found = todo.dataset, {}
    models = {r.name: (r.model, r.weights is not None or r.source is not None) for r in todo.requests}
    models |= {name: (name, False) for name in _packaged(request, dataset)}
    for name in request.trained_on:
        if name not in models:
            raise UnknownNameError("system of --trained-on", name, models)
    for name, (model, users) in models.items():
        module = plugins.load("models", model)
        if name in request.trained_on:
            found[name] = from_option(name, request.trained_on[name], dataset)
        elif module.KIND != "generated":
            found[name] = NOTHING
        else:
            found[name] = UNKNOWN if users else declared(getattr(module, "TRAINED_ON", None), dataset)
    return found


def _roles(request: ZeroshotRequest, names: list[str]) -> dict[str, Role]:
    """The roles that do not follow from what a system is.

    Raises:
        UnknownNameError: ``twin`` or ``copied`` is no system of this evaluation.
    """
    for option, name in (("--twin", request.twin), ("--copied", request.copied)):
        if name is not None and name not in names:
            raise UnknownNameError(f"system of {option}", name, names)
    if request.twin is not None and request.twin == request.copied:
        raise ReaudioError(f"--twin and --copied both name {request.twin!r}: they are two systems.")
    others = [n for n in names if competes(n) and n not in ("real", "noise")]
    twin = request.twin or next((n for n in BASELINES if n in others and len(others) > 1), None)
    copied = request.copied or next((n for n in (COPY,) if n in others), None)
    roles: dict[str, Role] = {}
    if twin is not None:
        roles[twin] = "twin"
    if copied is not None:
        roles[copied] = "copy"
    return roles


def _role(system: SystemInfo, named: Mapping[str, Role]) -> Role:
    if system.kind != "generated":
        return system.kind
    return named.get(system.name, "system") if competes(system.name) else "oracle"


def zeroshot(request: ZeroshotRequest, options: Options, reporter: Reporter | None = None) -> ZeroshotResult:
    """Evaluate systems on classes the generator never saw, or hardly, and write run directories and the report.

    Raises:
        ReaudioError: see :func:`plan_zeroshot` and :func:`reaudio_eval.evaluations.longtail.run.score_plan`.
    """
    reporter = reporter or Reporter(quiet=True)
    evaluation = request.evaluation
    todo, training = plan_zeroshot(request, options)
    scored = score_plan(evaluation, options, todo, reporter)
    base, runs = analyse_and_store(evaluation, options, todo, scored)
    named = _roles(request, [s.name for s in base.systems])
    analysis = analyse_zeroshot(
        scored.scores,
        scored.dataset,
        base,
        roles={s.name: _role(s, named) for s in base.systems},
        training=training,
        few_shot=request.few_shot,
        every_prompt=request.every_prompt,
        seed=options.seed,
        alerts=scored.alerts,
    )
    with reporter.stage("Rendering", 1) as advance:
        most = INLINE_PLAYERS if evaluation.players is None else evaluation.players
        report = render_zeroshot(analysis, evaluation.output, media=evaluation.media, max_players=most, jobs=options.jobs)
        advance(1)
    return ZeroshotResult(analysis, report, runs, scored.evaluation.audit)
