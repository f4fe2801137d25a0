"""What an evaluation by label frequency is asked for, and everything about it that is known before work starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reaudio_eval import plugins
from reaudio_eval.clips.collect import SystemRequest, shown_name
from reaudio_eval.clips.models import Sampling
from reaudio_eval.clips.retrieval import Compared
from reaudio_eval.prompts.class_prompts import class_prompts
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.prompts.samples import covering_sample
from reaudio_eval.prompts.strata import Stratum, strata_scheme
from reaudio_eval.runs.bundled import COPY, baseline_names
from reaudio_eval.scores.evaluate import Options, Tools, prepare
from reaudio_model.common.errors import ReaudioError

Overwrite = Literal["never", "only-missing", "always"]
Media = Literal["inline", "folder", "none"]
Baselines = Literal["bundled", "fresh", "none"]


@dataclass(frozen=True)
class LongtailRequest:
    """What to evaluate and where to put it.

    Attributes:
        dataset: registered dataset name.
        data: its files.
        clips: system name -> folder of its clips (file stem = clip id).
        models: registered models that make clips themselves.
        weights: model name -> the user's weights of it.
        index: the user's retrieval index, for models with weights of the user's.
        sampling: how models sample.
        baselines: beside a bundled model on its own dataset: "bundled" takes the scores that come with the package, "fresh" generates
            those systems anew, "none" leaves them out.
        real, noise: also score the real audio (ceiling) and a noise floor, where there are references.
        strata: scheme name or edges ("log10", "lvis", "10,100,1000").
        output: report and run directories.
        class_prompts: prompts made of class names, so many for each, instead of the dataset's own; 0 for its own.
        limit: only the first so many prompts.
        sample: only so many prompts, chosen over all classes (:func:`reaudio_eval.prompts.samples.covering_sample`); 0 takes all.
        primary: metric drawn first; None chooses CLAP score, else label recall.
        overwrite: finished runs are kept ("only-missing"), made anew ("always"), or their presence is an error ("never").
        media: players in the page, in a folder beside it, or none.
        players: clips to listen to, at most; None takes the report's own number.
        control: what the clips are compared with where no system of the report retrieves; None: with nothing.
    """

    dataset: str
    data: DatasetOptions
    output: Path
    clips: Mapping[str, Path] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    weights: Mapping[str, Path] = field(default_factory=dict)
    index: Path | None = None
    sampling: Sampling = field(default_factory=Sampling)
    baselines: Baselines = "bundled"
    real: bool = True
    noise: bool = True
    strata: str = "log10"
    class_prompts: int = 0
    limit: int | None = None
    sample: int = 0
    primary: str | None = None
    overwrite: Overwrite = "only-missing"
    media: Media = "inline"
    players: int | None = None
    control: Compared | None = None


@dataclass(frozen=True)
class Plan:
    """Everything known before work starts; what ``--dry-run`` prints. selection: of which prompts, where not all of the split."""

    dataset: Dataset
    strata: tuple[Stratum, ...]
    tools: Tools
    requests: tuple[SystemRequest, ...]
    protocol: str
    selection: str | None = None


def plan(request: LongtailRequest, options: Options) -> Plan:
    """Load the dataset, choose strata, embedders and metrics, and name the systems.

    Raises:
        ReaudioError: anything that would make the run fail later and can be known now.
    """
    if not request.clips and not request.models:
        raise ReaudioError("No system to evaluate: give --clips NAME=FOLDER or --model NAME (`reaudio-eval list models`).")
    if request.limit is not None and request.limit < 1:
        raise ReaudioError(f"--limit must be 1 or more, not {request.limit}.")
    _check_weights(request)
    dataset = load_dataset(request)
    requests = [SystemRequest(name, "clips", folder) for name, folder in request.clips.items()]
    requests += [
        SystemRequest(shown_name(name), name, None, request.weights.get(name), request.index) for name in request.models
    ]
    if request.baselines != "none":
        beside = baseline_names(dataset, request.models)
        requests += [SystemRequest(name, name) for name in beside if request.baselines == "fresh" or name == COPY]
    for name, wanted in (("real", request.real and bool(dataset.references)), ("noise", request.noise)):
        if wanted and name not in request.models:
            requests.append(SystemRequest(name, name))
    for each in requests:
        plugins.load("models", each.model)
    return Plan(
        dataset, strata_scheme(request.strata, dataset.train_counts), prepare(options), tuple(requests), options.protocol
    )


def load_dataset(request: LongtailRequest) -> Dataset:
    """The dataset with the prompts asked for.

    Raises:
        ReaudioError: see the dataset's ``load`` and :func:`reaudio_eval.prompts.class_prompts.class_prompts`;
            options that do not go together.
    """
    if request.limit is not None and request.sample:
        raise ReaudioError("--limit takes the first prompts and --sample some of every class: give one of them.")
    if request.class_prompts:
        for option, value in (("--references", request.data.references), ("--clip-manifest", request.data.clip_manifest)):
            if value is not None:
                raise ReaudioError(f"--captions classes makes its own prompts, which have no real clip: leave out {option}.")
    dataset: Dataset = plugins.load("datasets", request.dataset).load(request.data)
    if request.class_prompts:
        dataset = class_prompts(dataset, request.class_prompts)
    if request.limit is not None:
        dataset = dataclasses.replace(dataset, prompts=dataset.prompts[: request.limit])
    return covering_sample(dataset, request.sample) if request.sample else dataset


def _check_weights(request: LongtailRequest) -> None:
    for name in request.weights:
        if name not in request.models:
            raise ReaudioError(f"--weights names {name!r}, which is no --model of this command.")
    for name in request.models:
        check = getattr(plugins.load("models", name), "check", None)
        if check is not None:
            check(request.dataset, request.weights.get(name), plugins.find("models", name).variant)
