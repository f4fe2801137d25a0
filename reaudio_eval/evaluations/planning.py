"""Planning of evaluations that score systems: data, systems, embedders, metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reaudio_eval import plugins
from reaudio_eval.clips.collect import SystemRequest, check_names, shown_name
from reaudio_eval.clips.retrieval import Compared
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.clips.system import Role
from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.checks import check_external, check_unused, check_weights
from reaudio_eval.evaluations.loading import load_with_systems
from reaudio_eval.evaluations.options import (
    DEFAULT_ESTIMAND,
    DEFAULT_STRATA,
    MAX_SEED,
    Baselines,
    Data,
    Estimand,
    Machine,
    Measures,
    Overwrite,
    Systems,
    fetch_options,
    scoring_options,
)
from reaudio_eval.evaluations.roles import NOBODY, Named, packaged, planned_roles
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs.bundled import COPY, baseline_names
from reaudio_eval.runs.store import ScoringPlan
from reaudio_eval.scores.evaluate import Options, Tools, prepare
from reaudio_eval.scores.external.scores import ExternalScores
from reaudio_eval.scores.score import NamedMetric
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.margins import Margin
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.progress import Reporter


class ScoringRequest(Protocol):
    """The options that all evaluations of systems share."""

    @property
    def data(self) -> Data: ...
    @property
    def sampling(self) -> Sampling: ...
    @property
    def measures(self) -> Measures: ...
    @property
    def machine(self) -> Machine: ...
    @property
    def strata(self) -> str | None: ...
    @property
    def primary(self) -> str | None: ...
    @property
    def seed(self) -> int: ...
    @property
    def output(self) -> Path: ...
    @property
    def overwrite(self) -> Overwrite: ...
    def plain(self) -> Json: ...


class SystemsRequest(ScoringRequest, Protocol):
    """Options of an evaluation of several systems."""

    @property
    def systems(self) -> Systems: ...
    @property
    def inference(self) -> Estimand: ...


@dataclass(frozen=True)
class SystemsPlan:
    """Everything known before systems are scored.

    Attributes:
        scoring: what is scored and how.
        systems: in the order of the report.
        models: registered models that were asked for.
        baselines: beside a bundled model on its own dataset: "bundled" takes the scores that come with the package, "fresh" generates
            those systems, "none" leaves them out.
        primary: metric shown first; None chooses one.
        default_metrics: those that the dataset brings, which nobody asked for.
        estimand: what intervals and tests are about.
        control: what the clips are compared with where no system of the report retrieves; None: with nothing.
        roles: system -> its role, with the control that the user names.
        margin: for tests of non-inferiority; None without.
    """

    scoring: ScoringPlan
    systems: tuple[SystemRequest, ...]
    models: tuple[str, ...]
    baselines: Baselines
    primary: str | None
    default_metrics: tuple[str, ...] | None = None
    estimand: Estimand = DEFAULT_ESTIMAND
    control: Compared | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    margin: Margin | None = None

    @property
    def dataset(self) -> Dataset:
        return self.scoring.dataset

    def to_json(self) -> Json:
        return scoring_json(self.scoring) | {
            "scores": self.scoring.external.to_json(),
            "systems": [
                {"name": s.name, "model": s.model, "folder": None if s.source is None else str(s.source)}
                for s in self.systems
            ],
            "margin": None if self.margin is None else dataclasses.asdict(self.margin),
        }


def scoring_json(plan: ScoringPlan) -> Json:
    """What every ``--dry-run`` of an evaluation of systems says."""
    dataset = plan.dataset
    return {
        "dataset": {"name": dataset.name, "split": dataset.split, "n_prompts": len(dataset.prompts)},
        "n_references": len(dataset.references),
        "notes": list(dataset.notes),
        "strata": {s.name: s.range_text for s in plan.strata},
        "embedders": {name: str(e.checkpoint) for name, e in plan.tools.embedders.items()},
        "metrics": planned_metrics(plan.tools.metrics),
        "output": str(plan.output),
    }


def planned_metrics(metrics: Sequence[NamedMetric]) -> Json:
    """Metric -> "will be computed", when, or why not, as every ``--dry-run`` says it."""

    def words(metric: NamedMetric) -> str:
        retrieved = "neighbours" in metric.definition.needs
        return metric.unavailable or ("will be computed if a system retrieves" if retrieved else "will be computed")

    return {m.info.name: words(m) for m in metrics}


def plan_scoring(
    request: ScoringRequest, reporter: Reporter, data: Data | None = None, systems: Systems | None = None
) -> ScoringPlan:
    """Load the dataset, choose strata, embedders and metrics.

    Args:
        request: of the user.
        reporter: of progress.
        data: in place of the request's.
        systems: whose clips and tables of scores are used; None for a model alone.

    Raises:
        ReaudioError: anything that would make the run fail later and can be known now.
    """
    data = data or request.data
    _check_seeds(request.seed, request.sampling.seeds or 1)
    defaults = data.defaults()
    options = scoring_options(request.measures, request.machine, request.seed, defaults)
    scheme = request.strata or defaults.strata or DEFAULT_STRATA
    systems = systems or Systems()
    dataset, external = load_with_systems(data, options.cache_dir, reporter, systems)
    options, external = _chosen_metrics(request.measures, options, external)
    strata = strata_scheme(scheme, dataset.train_counts)
    return ScoringPlan(
        dataset,
        strata,
        scheme,
        _tools(options, dataset, systems, external),
        options,
        request.sampling,
        request.output,
        request.overwrite,
        None,
        request.plain(),
        external,
        systems.common,
    )


def _chosen_metrics(measures: Measures, options: Options, external: ExternalScores) -> tuple[Options, ExternalScores]:
    """Which of the metrics that ``--metric`` and ``--require`` name are computed, and which are of tables; all of the tables where none is
    named."""
    given = {m.name for m in external.metrics}
    chosen = given & set(measures.metrics)
    metrics = options.metrics if options.metrics is None else tuple(n for n in options.metrics if n not in given)
    require = tuple(n for n in options.require if n not in given)
    return dataclasses.replace(options, metrics=metrics, require=require), external.with_metrics(chosen or given)


def _tools(options: Options, dataset: Dataset, systems: Systems, external: ExternalScores) -> Tools:
    """Embedders and metrics; none where there are tables of scores alone, or only their metrics are asked for."""
    if systems.scores_alone or (external.metrics and options.metrics == ()):
        return Tools({}, ())
    return prepare(options, dataset, needed=not external.metrics)


def _check_seeds(first: int, n: int) -> None:
    if first + n - 1 > MAX_SEED:
        raise ReaudioError(f"--seed {first} with --seeds {n} passes the largest seed, {MAX_SEED}: give a smaller --seed.")


def plan_systems(
    request: SystemsRequest, reporter: Reporter, data: Data | None = None, named: Named = NOBODY
) -> SystemsPlan:
    """The scoring plan, and the systems by name.

    Args:
        request: of the user.
        reporter: of progress.
        data: in place of the request's.
        named: control and copy of the retrieved clips among the systems.

    Raises:
        ReaudioError: anything that would make the run fail later and can be known now.
    """
    systems = request.systems
    if not systems.clips and not systems.models and not systems.scores:
        raise ReaudioError(
            "No system to evaluate: give --clips NAME=FOLDER, --model NAME (`reaudio-eval list models`) or --scores FILE."
        )
    check_names([SystemRequest(name, "clips", folder) for name, folder in systems.clips.items()])
    check_weights(request.data.dataset, systems, request.sampling, fetch_options(request.measures, request.machine))
    if systems.scores_alone:
        check_unused(request.measures)
    scoring = plan_scoring(request, reporter, data, systems)
    defaults = request.data.defaults()
    requests = () if systems.scores_alone else tuple(_requests(systems, scoring.dataset))
    check_external(scoring.external, requests, scoring.tools.metrics)
    return SystemsPlan(
        scoring,
        requests,
        systems.models,
        systems.baselines,
        choose_primary(request.primary, defaults.primary, scoring.tools.metrics, scoring.external.metrics),
        defaults.metrics,
        estimand=request.inference,
        roles=planned_roles(requests, packaged(systems, scoring.dataset), named, tuple(scoring.external.scores)),
    )


def choose_primary(
    wanted: str | None, default: str | None, metrics: Sequence[NamedMetric], external: Sequence[MetricInfo] = ()
) -> str | None:
    """The metric shown first: the one asked for, else the dataset's where it can be computed, else None.

    Args:
        wanted: name, or None.
        default: of the dataset, or None.
        metrics: that are computed.
        external: of tables of scores.

    Raises:
        UnknownNameError: no metric is called ``wanted``.
        ReaudioError: it cannot be computed.
    """
    unavailable = {m.info.name: m.unavailable for m in metrics} | {m.name: None for m in external}
    if wanted is None:
        return default if default in unavailable and unavailable[default] is None else None
    reason = unavailable[one_of("metric", wanted, unavailable)]
    if reason is not None:
        raise ReaudioError(f"--primary {wanted} cannot be computed: {reason}.")
    return wanted


def _requests(systems: Systems, dataset: Dataset) -> Sequence[SystemRequest]:
    requests = [SystemRequest(name, "clips", folder) for name, folder in systems.clips.items()]
    requests += [SystemRequest(shown_name(n), n, None, systems.weights.get(n), systems.index) for n in systems.models]
    if systems.baselines != "none":
        baselines = baseline_names(dataset, systems.models)
        requests += [SystemRequest(n, n) for n in baselines if systems.baselines == "fresh" or n == COPY]
    for name, wanted in (("real", systems.real and bool(dataset.references)), ("noise", systems.noise)):
        if wanted and name not in systems.models:
            requests.append(SystemRequest(name, name))
    for each in requests:
        plugins.load("models", each.model)
    check_names(requests)
    return requests
