"""The command ``reaudio-model generate``."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from reaudio_model.cli.commands.options import MACHINE, MODEL, OUTPUT, RETRIEVAL, Machine, Prompts, Search
from reaudio_model.common.cli import hush_libraries, print_json, reporter
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option, OptionGroup
from reaudio_model.config import DEFAULT_STEPS, PAPER_STEPS, DType, SchedulerName

if TYPE_CHECKING:
    from reaudio_model.common.progress import Reporter
    from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline
    from reaudio_model.pipeline.request import GenerateRequest
    from reaudio_model.retrieval.records import Pair


@dataclass(frozen=True)
class Sampling(OptionGroup):
    """How the denoiser is sampled."""

    panel: ClassVar[str] = "Sampling"

    seconds: Annotated[
        float | None, Option("Length of a clip, s. Default: the model's.", everyday=True, least=0.1, most=30)
    ] = None
    steps: Annotated[int | None, Option(f"Denoising steps. Default: {DEFAULT_STEPS}.", everyday=True, least=1, most=999)] = (
        None
    )
    scheduler: Annotated[SchedulerName | None, Option("Sampler. Default: dpm-solver++.")] = None
    eta: Annotated[float | None, Option("Noise of ddim. Default: 0.", least=0, most=1)] = None
    paper_sampling: Annotated[bool, Option("The paper's sampler: ddim, 200 steps, eta 1.")] = False
    guidance: Annotated[float, Option("Guidance scale; 1 disables guidance.", everyday=True)] = 3.5
    retrieval_guidance: Annotated[float | None, Option("Separate guidance scale for retrieved pairs.")] = None
    negative_prompt: Annotated[str | None, Option("Description of what to avoid.")] = None
    candidates: Annotated[int, Option("Clips generated for each prompt; the best is kept.", least=1)] = 1
    reranker: Annotated[Path | None, Option("CLAP that selects among candidates; not the one that scores them.")] = None
    peak: Annotated[
        float | None,
        Option(
            "Scale every clip to this peak, up to 1; the authors' framework writes 0.8. Default: keep.", least=0.01, most=1
        ),
    ] = None
    seed: Annotated[int, Option("Seed of the run; each clip's seed is derived from it and the clip id.", everyday=True)] = 0

    def check(self) -> None:
        if self.paper_sampling and (self.steps, self.scheduler, self.eta) != (None, None, None):
            raise ReaudioError("--paper-sampling sets sampler, steps and eta: drop it, or --scheduler, --steps and --eta.")
        if self.eta and self.scheduler != "ddim":
            raise ReaudioError("--eta is the noise of ddim: give --scheduler ddim too, or leave it out.")

    def sampler(self) -> tuple[SchedulerName, int, float]:
        """Scheduler, steps and eta."""
        if self.paper_sampling:
            return "ddim", PAPER_STEPS, 1.0
        return self.scheduler or "dpm-solver++", DEFAULT_STEPS if self.steps is None else self.steps, self.eta or 0.0


@dataclass(frozen=True)
class GenerateOptions(OptionGroup):
    """Which clips to generate, and with which model."""

    panel: ClassVar[str] = RETRIEVAL

    model: Annotated[
        str,
        Option(
            "Folder of a saved pipeline, its hub id, or a bundled miniature system such as re-audioldm-l.",
            panel=MODEL,
            everyday=True,
        ),
    ]
    output: Annotated[
        Path, Option("A .wav or .flac file for one prompt, or a folder.", "--output -o", panel=OUTPUT, everyday=True)
    ]
    prompts: Prompts = field(default_factory=Prompts)
    index: Annotated[Path | None, Option("Index to retrieve from, made with the model's CLAP.", everyday=True)] = None
    features: Annotated[Path | None, Option("Stored tokens of the index's pairs. Default: computed when needed.")] = None
    k: Annotated[
        int | None, Option("Retrieved pairs for each prompt; 0 disables retrieval. Default: the model's.", everyday=True)
    ] = None
    search: Search = field(default_factory=Search)
    sampling: Sampling = field(default_factory=Sampling)
    overwrite: Annotated[bool, Option("Generate existing files again.", panel=OUTPUT, everyday=True)] = False
    allow_download: Annotated[bool, Option("Download a model from the hub.", panel=MODEL)] = False
    batch_size: Annotated[int, Option("Prompts in a batch.", panel=MACHINE, least=1)] = 8
    dtype: Annotated[DType, Option("Precision of the denoiser.", panel=MACHINE)] = "float32"
    compile: Annotated[
        bool, Option("torch.compile the denoiser; pays off for many batches of one shape.", panel=MACHINE)
    ] = False
    machine: Machine = field(default_factory=Machine)


def add_to(app: typer.Typer) -> None:
    """Add the command ``generate``."""
    add_command(
        app,
        "generate",
        GenerateOptions,
        _generate,
        summary="Generate audio for prompts, with a record of the settings. Repeat an interrupted command to resume.",
        example='reaudio-model generate "a dog barks" --model re-audioldm-s/ --index audiocaps-index/ --k 3 -o dog.wav',
        common=("json", "quiet"),
    )


def _generate(options: GenerateOptions, how: Invocation) -> None:
    from reaudio_model.pipeline.generation import generate_to_files

    progress = reporter(how.quiet)
    prompts = options.prompts.read(progress)
    hush_libraries()
    pipeline, is_bundled = _load(options)
    request = _request(options, prompts, pipeline if is_bundled else None, progress)
    chosen = options.sampling.reranker
    reranker = None if chosen is None else options.machine.load_clap(chosen)
    # Shows the steps of one prompt; several prompts have their own progress bar.
    pipeline.set_progress_bar_config(disable=how.quiet or len(prompts) > 1 or not sys.stderr.isatty())
    if options.compile:
        pipeline.compile_denoiser()
    made = generate_to_files(request, pipeline, reranker=reranker, reporter=progress)
    files = [str(file) for file in made.files]
    if how.as_json:
        print_json({"files": files, "made": made.made, "record": str(made.record)})
    else:
        typer.echo("\n".join(files))


def _load(options: GenerateOptions) -> tuple[ReAudioLDMPipeline, bool]:
    """The model, and whether it is a bundled system; a folder of that name is preferred."""
    from reaudio_model.common.inference import open_device
    from reaudio_model.miniature import bundled
    from reaudio_model.pipeline.assemble import load_pipeline

    device = open_device(options.machine.device)
    if options.model in bundled.DENOISERS and not Path(options.model).exists():
        return bundled.load_bundled(options.model, str(device), options.dtype), True
    return load_pipeline(options.model, device=device, dtype=options.dtype, allow_download=options.allow_download), False


def _request(
    options: GenerateOptions, prompts: list[Pair], bundled: ReAudioLDMPipeline | None, progress: Reporter
) -> GenerateRequest:
    """The request; a bundled system without ``--index`` retrieves from the miniature's pairs."""
    from reaudio_model.miniature.bundled import KEY
    from reaudio_model.miniature.neighbours import store_neighbours
    from reaudio_model.pipeline.request import GenerateRequest

    index, features = options.index, options.features
    if features is not None and index is None:
        raise ReaudioError("--features are those of an index's pairs: give --index too, or leave them out.")
    from_pool = bundled is not None and index is None
    search = options.search.settings(progress, KEY if from_pool else "audio")
    if bundled is not None and from_pool:
        cache_dir = options.machine.cache_dir
        index, features = store_neighbours(
            bundled, prompts, options.k, search=search, cache_dir=cache_dir, progress=progress
        )
    sampling = options.sampling
    scheduler, steps, eta = sampling.sampler()
    return GenerateRequest(
        prompts=prompts,
        output=options.output,
        index=index,
        features=features,
        k=options.k,
        search=search,
        seconds=sampling.seconds,
        steps=steps,
        eta=eta,
        scheduler=scheduler,
        guidance_scale=sampling.guidance,
        retrieval_guidance_scale=sampling.retrieval_guidance,
        negative_prompt=sampling.negative_prompt,
        candidates=sampling.candidates,
        peak=sampling.peak,
        seed=sampling.seed,
        batch_size=options.batch_size,
        overwrite=options.overwrite,
    )
