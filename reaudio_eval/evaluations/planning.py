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
from reaudio_eval.clips.seed_folders import first_clips
from reaudio_eval.clips.system import Role
from reaudio_eval.evaluations.base import Json
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
    scoring_options,
)
from reaudio_eval.evaluations.roles import NOBODY, Named, packaged, planned_roles
from reaudio_eval.prompts.caption_choice import choose_captions
from reaudio_eval.prompts.class_prompts import class_prompts
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.samples import covering_sample
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs.bundled import COPY, baseline_names
from reaudio_eval.runs.store import ScoringPlan
from reaudio_eval.scores.evaluate import prepare
from reaudio_eval.scores.score import NamedMetric
from reaudio_eval.statistics.margins import Margin
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.options import option_fields
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
        common: score every system only on the prompts that all have.
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
    common: bool = False

    @property
    def dataset(self) -> Dataset:
        return self.scoring.dataset

    def to_json(self) -> Json:
        return scoring_json(self.scoring) | {
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
    request: ScoringRequest, reporter: Reporter, data: Data | None = None, clips: Mapping[str, Path] | None = None
) -> ScoringPlan:
    """Load the dataset, choose strata, embedders and metrics; ``data`` in place of the request's, ``clips`` as :func:`load_dataset`.

    Raises:
        ReaudioError: anything that would make the run fail later and can be known now.
    """
    data = data or request.data
    _check_seeds(request.seed, request.sampling.seeds or 1)
    defaults = data.defaults()
    options = scoring_options(request.measures, request.machine, request.seed, defaults)
    scheme = request.strata or defaults.strata or DEFAULT_STRATA
    dataset = load_dataset(data, options.cache_dir, reporter, clips=clips)
    strata = strata_scheme(scheme, dataset.train_counts)
    return ScoringPlan(
        dataset,
        strata,
        scheme,
        prepare(options, dataset),
        options,
        request.sampling,
        request.output,
        request.overwrite,
        None,
        request.plain(),
    )


def _check_seeds(first: int, n: int) -> None:
    if first + n - 1 > MAX_SEED:
        raise ReaudioError(f"--seed {first} with --seeds {n} passes the largest seed, {MAX_SEED}: give a smaller --seed.")


def load_dataset(
    data: Data,
    cache_dir: Path,
    reporter: Reporter,
    caption: int | None = None,
    clips: Mapping[str, Path] | None = None,
) -> Dataset:
    """The dataset with the prompts asked for.

    Args:
        data: as the user gave it.
        cache_dir: where a dataset that makes its audio keeps it.
        reporter: of progress.
        caption: in place of the one asked for.
        clips: system -> folder, of the clips that will be scored; their names may say which captions they were made from
            (:func:`reaudio_eval.prompts.caption_choice.choose_captions`).

    Raises:
        ReaudioError: see the dataset's ``load``, :func:`reaudio_eval.prompts.class_prompts.class_prompts` and ``choose_captions``; options
            that do not go together.
    """
    if data.class_prompts:
        for option, value in (("--references", data.references), ("--clip-manifest", data.clip_manifest)):
            if value is not None:
                raise ReaudioError(f"--captions classes makes its own prompts, which have no real clip: leave out {option}.")
    plugin = plugins.load("datasets", data.dataset)
    with plugins.guarded("datasets", data.dataset, "cannot be loaded"):
        dataset = plugin.load(data.files(cache_dir, reporter, caption))
    if data.class_prompts:
        dataset = class_prompts(dataset, data.class_prompts)
    elif dataset.captions and clips:
        stems = {system: first_clips(folder) for system, folder in clips.items()}
        dataset = choose_captions(dataset, stems, data.caption if caption is None else caption)
    if data.limit is not None:
        dataset = first_prompts(dataset, data.limit)
    return covering_sample(dataset, data.sample) if data.sample else dataset


def first_prompts(dataset: Dataset, n: int) -> Dataset:
    """The dataset with its first ``n`` prompts; where that leaves some out, a note says so."""
    n_all = len(dataset.prompts)
    if n >= n_all:
        return dataset
    note = f"Only the first {n} of {n_all} prompts (--limit): strata and classes are of these prompts alone."
    return dataclasses.replace(dataset, prompts=dataset.prompts[:n], notes=(*dataset.notes, note))


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
    if not systems.clips and not systems.models:
        raise ReaudioError("No system to evaluate: give --clips NAME=FOLDER or --model NAME (`reaudio-eval list models`).")
    check_names([SystemRequest(name, "clips", folder) for name, folder in systems.clips.items()])
    _check_weights(request.data.dataset, systems, request.sampling)
    scoring = plan_scoring(request, reporter, data, systems.clips)
    defaults = request.data.defaults()
    requests = tuple(_requests(systems, scoring.dataset))
    return SystemsPlan(
        scoring,
        requests,
        systems.models,
        systems.baselines,
        choose_primary(request.primary, defaults.primary, scoring.tools.metrics),
        defaults.metrics,
        estimand=request.inference,
        roles=planned_roles(requests, packaged(systems, scoring.dataset), named),
        common=systems.common,
    )


def choose_primary(wanted: str | None, default: str | None, metrics: Sequence[NamedMetric]) -> str | None:
    """The metric shown first: the one asked for, else the dataset's where it can be computed, else None.

    Raises:
        UnknownNameError: no metric is called ``wanted``.
        ReaudioError: it cannot be computed.
    """
    unavailable = {m.info.name: m.unavailable for m in metrics}
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


def _check_weights(dataset: str, systems: Systems, sampling: Sampling) -> None:
    for name in systems.weights:
        if name not in systems.models:
            raise ReaudioError(f"--weights names {name!r}, which is no --model of this command.")
    if systems.index is not None and not systems.weights:
        raise ReaudioError("--index has no effect: only a --model with --weights retrieves from it. Leave it out.")
    for name in systems.models:
        check_model(dataset, name, systems.weights.get(name))
    check_sampling(sampling, {name: systems.weights.get(name) for name in systems.models})
    for name, weights in systems.weights.items():
        check_index(name, weights, systems.index, sampling)


def check_index(model: str, weights: Path, index: Path | None, sampling: Sampling) -> None:
    """Raise ReaudioError where the user's weights retrieve and there is no index to retrieve from."""
    if index is not None or sampling.k == 0 or sampling.retrieval == "none":
        return
    own = plugins.load("models", model).defaults(plugins.find("models", model).variant, weights)
    if own is not None and own.retrieval not in (None, "none"):
        raise ReaudioError(
            f"{model} uses retrieved pairs: give --index FOLDER (`reaudio-model index build`), or --k 0 to retrieve nothing."
        )


def check_sampling(sampling: Sampling, models: Mapping[str, Path | None]) -> None:
    """Refuse options that no model uses.

    Args:
        sampling: as asked for.
        models: registered model -> the user's weights of it, or None.

    Raises:
        ReaudioError: naming the first such option.
    """
    for option in sampling.given():
        used = (
            plugins.load("models", name).sampling_options(plugins.find("models", name).variant, weights)
            for name, weights in models.items()
        )
        if any(names is None or option in names for names in used):
            continue
        flag = next(field.flag for field in option_fields(Sampling) if field.name == option)
        why = (
            f"{' and '.join(models)} {'does' if len(models) == 1 else 'do'} not use it" if models else "no --model generates"
        )
        raise ReaudioError(f"{flag} has no effect: {why}. Leave it out.")


def check_model(dataset: str, model: str, weights: Path | None) -> None:
    """Raise ReaudioError where a model has no weights for this dataset."""
    plugins.load("models", model).check(dataset, weights, plugins.find("models", model).variant)
