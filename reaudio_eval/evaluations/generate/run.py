"""Plan and run of the generation of clips."""

from __future__ import annotations

from dataclasses import dataclass

from reaudio_eval import plugins
from reaudio_eval.clips.collect import Generation, SystemRequest, check_names, collect
from reaudio_eval.clips.external import external_clips, split_command
from reaudio_eval.clips.models import Fetch
from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.checks import check_weights
from reaudio_eval.evaluations.generate.request import GenerateRequest
from reaudio_eval.evaluations.generate.result import GeneratedClips, GeneratedSystem
from reaudio_eval.evaluations.loading import load_dataset
from reaudio_eval.evaluations.options import Systems
from reaudio_eval.prompts.dataset import Dataset
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import default_cache_dir, folder_name
from reaudio_model.common.options import command_line
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True)
class GeneratePlan:
    """The request, the prompts and the systems."""

    request: GenerateRequest
    dataset: Dataset
    systems: tuple[SystemRequest, ...]

    def to_json(self) -> Json:
        request = self.request
        return {
            "dataset": {"name": self.dataset.name, "split": self.dataset.split, "n_prompts": len(self.dataset.prompts)},
            "notes": list(self.dataset.notes),
            "models": [system.model for system in self.systems],
            "external": {name: split_command(command) for name, command in request.external.items()},
            "output": str(request.output),
        }


def plan(request: GenerateRequest, reporter: Reporter) -> GeneratePlan:
    """Load the prompts and check the systems.

    Raises:
        ReaudioError: anything that would make the generation fail later and can be known now.
    """
    cache_dir = request.machine.cache_dir or default_cache_dir()
    named = Systems(models=request.models, weights=request.weights, index=request.index)
    check_weights(request.data.dataset, named, request.sampling, Fetch(request.allow_download, cache_dir))
    for command in request.external.values():
        split_command(command)
    if request.external and not request.models and request.sampling.given():
        raise ReaudioError("A program of --external has settings of its own: leave out the options of generation.")
    systems = [SystemRequest(name, name, None, request.weights.get(name), request.index) for name in request.models]
    check_names([*systems, *(SystemRequest(name, "clips") for name in request.external)])
    for system in systems:
        plugins.load("models", system.model)
    return GeneratePlan(request, load_dataset(request.data, cache_dir, reporter), tuple(systems))


def run(plan: GeneratePlan, reporter: Reporter) -> GeneratedClips:
    """Make the clips; those that are there are kept. A program that fails is noted and left out, if another system makes its clips.

    Raises:
        ReaudioError: a folder with clips of other settings; see :func:`reaudio_eval.clips.collect.collect` and
            :func:`reaudio_eval.clips.external.external_clips`.
    """
    request, prompts = plan.request, plan.dataset.prompts
    found, failed = _of_models(plan, reporter) if plan.systems else ([], {})
    for name, command in request.external.items():
        folder = request.output / folder_name(name)
        try:
            clips = external_clips(
                command, prompts, folder, seed=request.seed, overwrite=request.overwrite, reporter=reporter
            )
        except ReaudioError as error:
            failed[name] = str(error)
            reporter.note(f"{name} failed and is left out: {error}")
        else:
            found.append(GeneratedSystem(name, folder, {request.seed: clips}))
    if not found:
        raise ReaudioError(next(iter(failed.values())))
    return GeneratedClips(tuple(found), len(prompts), failed, tuple(command_line(request.data)))


def _of_models(plan: GeneratePlan, reporter: Reporter) -> tuple[list[GeneratedSystem], dict[str, str]]:
    request = plan.request
    how = Generation(
        request.seed,
        request.sampling,
        batch_size=request.machine.batch_size,
        device=request.machine.device,
        jobs=request.machine.jobs,
        cache_dir=request.machine.cache_dir or default_cache_dir(),
        executor=request.machine.where,
        allow_download=request.allow_download,
        exact=True,
        overwrite=request.overwrite,
    )
    others = bool(request.external)
    collected = collect(plan.systems, plan.dataset.prompts, plan.dataset, request.output, how, reporter, others)
    systems = [
        GeneratedSystem(
            system.name,
            request.output / folder_name(system.name),
            dict(zip(system.seeds or (request.seed,), system.by_seed.values(), strict=True)),
            system.sampling,
        )
        for system in collected.systems
    ]
    return systems, dict(collected.failed)
