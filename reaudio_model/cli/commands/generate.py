"""The command ``reaudio-model generate``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reaudio_model.cli.commands.options import (
    ExcludeOption,
    ExcludeTextOption,
    KeyChoice,
    KeyOption,
    PaperProtocolOption,
    PoolOption,
    PromptsArgument,
    PromptTableOption,
    open_clap,
    prompts_from_options,
    search_settings,
)
from reaudio_model.common.cli import (
    CacheOption,
    DeviceOption,
    JsonOption,
    QuietOption,
    hush_libraries,
    print_json,
    reporter,
)
from reaudio_model.common.errors import ReaudioError

PAPER_STEPS, DEFAULT_STEPS = 200, 25


class SchedulerChoice(StrEnum):
    dpm_solver = "dpm-solver++"
    unipc = "unipc"
    ddim = "ddim"


class DTypeChoice(StrEnum):
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


def generate(
    model: Annotated[
        str,
        typer.Option(
            "--model", help="Folder of a saved pipeline, its hub id, or a bundled miniature system such as re-audioldm-l."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .wav file for one prompt, or a folder.")],
    prompts: PromptsArgument = None,
    prompt_table: PromptTableOption = None,
    index: Annotated[
        Path | None, typer.Option("--index", help="Index to retrieve from, made with the model's CLAP.")
    ] = None,
    features: Annotated[
        Path | None, typer.Option("--features", help="Stored tokens of the index's pairs. Default: computed when needed.")
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", help="Retrieved pairs for each prompt; 0 disables retrieval. Default: the model's.")
    ] = None,
    key: KeyOption = KeyChoice.audio,
    pool: PoolOption = None,
    exclude: ExcludeOption = None,
    exclude_text_from: ExcludeTextOption = None,
    paper_protocol: PaperProtocolOption = False,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Length. Default: the model's.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Denoising steps. Default: 25.")] = None,
    scheduler: Annotated[SchedulerChoice | None, typer.Option("--scheduler", help="Default: dpm-solver++.")] = None,
    eta: Annotated[float | None, typer.Option("--eta", help="Noise of ddim, 0 to 1. Default: 0.")] = None,
    paper_sampling: Annotated[
        bool, typer.Option("--paper-sampling", help="The paper's sampler: ddim, 200 steps, eta 1.")
    ] = False,
    guidance: Annotated[float, typer.Option("--guidance", help="Guidance scale; 1 disables guidance.")] = 3.5,
    retrieval_guidance: Annotated[
        float | None, typer.Option("--retrieval-guidance", help="Separate guidance scale for retrieved pairs.")
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option("--negative-prompt", help="Description of what to avoid.")] = None,
    candidates: Annotated[int, typer.Option("--candidates", help="Clips generated for each prompt; the best is kept.")] = 1,
    reranker: Annotated[
        Path | None, typer.Option("--reranker", help="CLAP that selects among candidates; not the one that scores them.")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Of the run; each clip's seed is derived from it and the clip id.")
    ] = 0,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Prompts in a batch.")] = 8,
    dtype: Annotated[DTypeChoice, typer.Option("--dtype", help="Of the denoiser.")] = DTypeChoice.float32,
    compile_denoiser: Annotated[
        bool, typer.Option("--compile", help="torch.compile the denoiser; pays off for many batches of one shape.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Generate existing files again.")] = False,
    allow_download: Annotated[bool, typer.Option("--allow-download", help="Download a model from the hub.")] = False,
    device: DeviceOption = "auto",
    cache_dir: CacheOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Generate audio for prompts, with a record of the settings. Repeat an interrupted command to resume."""
    from reaudio_model.common.inference import open_device
    from reaudio_model.miniature import bundled
    from reaudio_model.miniature.neighbours import store_neighbours
    from reaudio_model.pipeline.assemble import load_pipeline
    from reaudio_model.pipeline.generation import generate_to_files
    from reaudio_model.pipeline.request import GenerateRequest

    if paper_sampling and (steps, scheduler, eta) != (None, None, None):
        raise ReaudioError("--paper-sampling sets sampler, steps and eta: drop it, or --scheduler, --steps and --eta.")
    hush_libraries()
    pairs = prompts_from_options(prompts, prompt_table)
    pipeline = None
    if model in bundled.DENOISERS and not Path(model).exists():
        pipeline = bundled.load_bundled(model, str(open_device(device)))
        if index is None:
            index, features = store_neighbours(pipeline, pairs, k, cache_dir=cache_dir, progress=reporter(quiet))
            key = KeyChoice(bundled.KEY)  # only neighbours by this key were stored
    search = search_settings(key, pool, exclude, exclude_text_from, paper_protocol, reporter(quiet))
    if paper_sampling:
        steps, scheduler, eta = PAPER_STEPS, SchedulerChoice.ddim, 1.0
    request = GenerateRequest(
        prompts=pairs,
        output=output,
        index=index,
        features=features,
        k=k,
        search=search,
        seconds=seconds,
        steps=DEFAULT_STEPS if steps is None else steps,
        eta=eta or 0.0,
        scheduler=(scheduler or SchedulerChoice.dpm_solver).value,
        guidance_scale=guidance,
        retrieval_guidance_scale=retrieval_guidance,
        negative_prompt=negative_prompt,
        candidates=candidates,
        seed=seed,
        batch_size=batch_size,
        overwrite=overwrite,
    )
    chooser = None if reranker is None else open_clap(reranker, device, cache_dir)
    if pipeline is None:
        pipeline = load_pipeline(model, device=open_device(device), dtype=dtype.value, allow_download=allow_download)
    # Shows the steps of one prompt; several prompts have their own progress bar.
    pipeline.set_progress_bar_config(disable=quiet or len(pairs) > 1 or not sys.stderr.isatty())
    if compile_denoiser:
        pipeline.compile_denoiser()
    made = generate_to_files(request, pipeline, reranker=chooser, reporter=reporter(quiet))
    if as_json:
        files = [str(file) for file in made.files]
        print_json({"files": files, "made": made.made, "record": str(made.record)})
    else:
        typer.echo("\n".join(str(file) for file in made.files))
