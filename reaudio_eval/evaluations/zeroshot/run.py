"""Plan and run of the zero-shot evaluation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reaudio_eval import plugins
from reaudio_eval.clips.collect import SystemRequest, shown_name
from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.loading import first_prompts
from reaudio_eval.evaluations.planning import SystemsPlan, plan_systems
from reaudio_eval.evaluations.roles import Named, packaged
from reaudio_eval.evaluations.scoring import analyse_and_store, score_systems
from reaudio_eval.evaluations.zeroshot.analysis import analyse_zeroshot
from reaudio_eval.evaluations.zeroshot.request import ZeroshotRequest
from reaudio_eval.evaluations.zeroshot.result import ZeroshotResult
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.regimes import REGIMES, check_few_shot, label_regime, rare_prompts
from reaudio_eval.prompts.samples import covering_sample
from reaudio_eval.prompts.training_labels import NOTHING, UNKNOWN, Training, declared, from_option, known_labels
from reaudio_eval.scores.binding import require_any
from reaudio_eval.scores.evaluate import Tools
from reaudio_eval.scores.external.scores import system_of
from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.progress import Reporter
from reaudio_model.common.tables import read_table

SELECTION = "prompts with a zero-shot or few-shot class"
ORACLES = {"re-audioldm-s": "oracle-s", "re-audioldm-l": "oracle-l", "re-audioldm-s-audio": "oracle-s-audio"}


@dataclass(frozen=True)
class ZeroshotPlan:
    """The request, what is known before systems are scored, and what each system was trained on."""

    request: ZeroshotRequest
    systems: SystemsPlan
    training: Mapping[str, Training]

    def to_json(self) -> Json:
        dataset = self.systems.dataset
        regimes: dict[str, list[str]] = {}
        for label in sorted({label for p in dataset.prompts if p.labels_known for label in p.labels}):
            regime = label_regime(dataset, label, self.request.few_shot).name
            regimes.setdefault(regime, []).append(dataset.label_names.get(label, label))
        return self.systems.to_json() | {
            "few_shot": self.request.few_shot,
            "regimes": {r.name: regimes[r.name] for r in REGIMES if r.name in regimes},
            "trained_on": {name: own.text for name, own in self.training.items()},
        }


def plan(request: ZeroshotRequest, reporter: Reporter) -> ZeroshotPlan:
    """The plan of the systems, with the prompts chosen and the oracle added, and what each system was trained on.

    Raises:
        ReaudioError: anything that would make the run fail later and can be known now.
    """
    check_few_shot(request.few_shot)
    data = request.data
    named = Named(request.control, request.copied, "--control")
    whole = plan_systems(request, reporter, dataclasses.replace(data, limit=None, sample=None), named)
    pool = _pool_counts(request, whole.dataset)
    dataset = dataclasses.replace(whole.dataset, pool_counts=pool)
    chosen = _chosen(request, dataset)
    scoring = dataclasses.replace(
        whole.scoring,
        dataset=chosen,
        tools=whole.scoring.tools if request.every_prompt or not whole.systems else _without_sets(whole.scoring.tools),
        selection=_selection(request, len(chosen.prompts), len(dataset.prompts)),
    )
    systems = dataclasses.replace(whole, scoring=scoring, systems=(*whole.systems, *_oracles(request, whole)))
    return ZeroshotPlan(request, systems, _training(request, systems))


def _chosen(request: ZeroshotRequest, dataset: Dataset) -> Dataset:
    """With the prompts of a zero-shot or few-shot class, or all; of them the first, or a sample, in the dataset's order."""
    prompts = dataset.prompts if request.every_prompt else rare_prompts(dataset, request.few_shot)
    chosen = dataclasses.replace(dataset, prompts=prompts)
    chosen = chosen if request.data.limit is None else first_prompts(chosen, request.data.limit)
    chosen = dataclasses.replace(chosen, prompts=_in_order(dataset, chosen.prompts))
    return covering_sample(chosen, request.data.sample) if request.data.sample else chosen


def _oracles(request: ZeroshotRequest, plan: SystemsPlan) -> list[SystemRequest]:
    """The oracle of each bundled system that retrieves."""
    if not request.oracle or plan.dataset.name != "miniature":
        return []
    models = request.systems.models
    names = dict.fromkeys(ORACLES[m] for m in models if m in ORACLES and m not in request.systems.weights)
    return [SystemRequest(shown_name(name), name) for name in names if name not in models]


def _selection(request: ZeroshotRequest, n: int, n_all: int) -> str | None:
    if not request.every_prompt:
        return SELECTION
    return None if n == n_all else f"{n} of {n_all} prompts" if request.data.sample else f"the first {n} prompts"


def _in_order(dataset: Dataset, chosen: tuple[Prompt, ...]) -> tuple[Prompt, ...]:
    ids = {p.clip_id for p in chosen}
    return tuple(p for p in dataset.prompts if p.clip_id in ids)


def _without_sets(tools: Tools) -> Tools:
    """Metrics of a clip or a label, and the networks behind them.

    Raises:
        ReaudioError: there is none.
    """
    metrics = tuple(m for m in tools.metrics if m.info.level != "set")
    if not metrics:
        raise ReaudioError(
            "None of the metrics has a value of a class (all are of sets of clips): choose others with --metric or --embedder."
        )
    require_any(metrics)
    needed = {m.info.embedder for m in metrics if m.unavailable is None}
    return Tools({name: e for name, e in tools.embedders.items() if name in needed}, metrics)


def _pool_counts(request: ZeroshotRequest, dataset: Dataset) -> Mapping[str, int] | None:
    """What the pool holds: as the user says, else as the dataset says, unless another pool was named."""
    path = request.pool_labels
    if path is None:
        return None if request.systems.index is not None else dataset.pool_counts
    table = read_table(path, ["label", "n_pool"], "the labels of the retrieval pool", skip=request.data.skip_bad_rows)
    table.require_values("label")
    table.require_counts("n_pool")
    known = known_labels(dataset)
    table.parsed("label", known.parse)
    table.require_unique(["label"], known.parse)  # an id and its name are one label
    rows = table.finish()
    return {label: int(n) for cell, n in zip(rows["label"], rows["n_pool"], strict=True) for label in known.parse(cell)}


def _training(request: ZeroshotRequest, plan: SystemsPlan) -> dict[str, Training]:
    """What every system was trained on: as the user states, else as its model file states. The user's weights may be of anything."""
    dataset, found = plan.dataset, {}
    models = {
        name: ("clips" if system_of(name).kind == "generated" else name, True) for name in plan.scoring.external.scores
    }
    models |= {r.name: (r.model, r.weights is not None or r.source is not None) for r in plan.systems}
    models |= {name: (name, False) for name in packaged(request.systems, dataset)}
    for name in request.trained_on:
        if name not in models:
            raise UnknownNameError("system of --trained-on", name, models)
    for name, (model, users) in models.items():
        plugin = plugins.load("models", model)
        if name in request.trained_on:
            found[name] = from_option(name, str(Path(request.trained_on[name]).expanduser()), dataset)
        elif plugin.kind != "generated":
            found[name] = NOTHING
        else:
            found[name] = (
                UNKNOWN if users else declared(plugin.training_data(plugins.find("models", model).variant), dataset)
            )
    return found


def run(plan: ZeroshotPlan, reporter: Reporter) -> ZeroshotResult:
    """Score the systems on classes without training clips, or with few, and write their run directories.

    Raises:
        ReaudioError: see :func:`reaudio_eval.evaluations.scoring.score_systems`.
    """
    request, options = plan.request, plan.systems.scoring.options
    scored = score_systems(plan.systems, reporter)
    base, runs = analyse_and_store(plan.systems, scored)
    analysis = analyse_zeroshot(
        scored.scores,
        scored.dataset,
        base,
        training=plan.training,
        few_shot=request.few_shot,
        every_prompt=request.every_prompt,
        estimand=request.inference,
        alerts=scored.alerts,
    )
    return ZeroshotResult(analysis, runs, scored.evaluation.audit, request.page, options.jobs)
