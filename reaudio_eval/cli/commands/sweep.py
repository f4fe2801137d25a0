"""``reaudio-eval sweep``: one checkpoint at many settings, as curves with intervals and paired differences."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reaudio_eval.cli.options import (
    DEFAULT_DATASET,
    DEFAULT_STRATA,
    CandidatesOption,
    CaptionsOption,
    CheckpointOption,
    ClipManifestOption,
    DataRootOption,
    DatasetOption,
    DatasetProtocolOption,
    DownloadOption,
    EmbedderOption,
    GenerationBatchOption,
    GuidanceOption,
    IndexOption,
    KOption,
    LimitOption,
    MediaChoice,
    MediaOption,
    MetricOption,
    OutputOption,
    OverwriteChoice,
    OverwriteOption,
    PerClassOption,
    PlayersOption,
    PrimaryOption,
    ReferencesOption,
    RequireOption,
    RetrievalOption,
    SampleOption,
    SeedOption,
    SplitOption,
    StepsOption,
    StrataOption,
    StrictOption,
    WeightsOption,
    evaluation_options,
    parse_captions,
)
from reaudio_model.common.cli import (
    DEFAULT_JOBS,
    CacheOption,
    DeviceOption,
    DryRunOption,
    JobsOption,
    JsonOption,
    QuietOption,
    hush_libraries,
    print_json,
    reporter,
)
from reaudio_model.common.errors import ReaudioError

EXAMPLE = (
    "Example: [bold]reaudio-eval sweep --model re-audioldm-l --over k=0,1,3 --over retrieval=none,audio,audio+text "
    "--over guidance=1,3,5[/bold] (the bundled miniature, nothing needed; a finished cell is never made again)"
)


class DesignChoice(StrEnum):
    star = "star"
    grid = "grid"


def sweep(
    model: Annotated[str, typer.Option("--model", help="A registered model that generates (see `list models`).")],
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            metavar="NAME=V1,V2",
            help="A factor and its values, or a range 1..5; repeatable. Factors: k, steps, guidance, retrieval (none, audio, "
            "audio+text), candidates, seed, captions.",
        ),
    ] = None,
    design: Annotated[
        DesignChoice, typer.Option("--design", help="star: each factor varied alone; grid: all combinations.")
    ] = DesignChoice.star,
    output: OutputOption = Path("reports/sweep"),
    dataset: DatasetOption = DEFAULT_DATASET,
    data_root: DataRootOption = None,
    split: SplitOption = "test",
    captions: CaptionsOption = "1",
    per_class: PerClassOption = None,
    references: ReferencesOption = None,
    clip_manifest: ClipManifestOption = None,
    weights: WeightsOption = None,
    index: IndexOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    candidates: CandidatesOption = None,
    k: KOption = None,
    retrieval: RetrievalOption = None,
    strata: StrataOption = None,
    primary: PrimaryOption = None,
    media: MediaOption = MediaChoice.inline,
    players: PlayersOption = None,
    overwrite: OverwriteOption = OverwriteChoice.only_missing,
    limit: LimitOption = None,
    sample: SampleOption = None,
    all_prompts: Annotated[bool, typer.Option("--all-prompts", help="The same as --sample 0.")] = False,
    protocol: DatasetProtocolOption = None,
    embedder: EmbedderOption = None,
    checkpoint: CheckpointOption = None,
    metric: MetricOption = None,
    require: RequireOption = None,
    seed: SeedOption = 0,
    batch_size: GenerationBatchOption = None,
    device: DeviceOption = "auto",
    jobs: JobsOption = DEFAULT_JOBS,
    cache_dir: CacheOption = None,
    allow_download: DownloadOption = False,
    strict: StrictOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Vary how one checkpoint samples and write sweep.html: curves by stratum, and what each setting changes.

    The options --steps, --guidance, --candidates, --k, --retrieval, --seed and --captions set the reference. On the miniature a
    sample of 65 prompts, one of every class, is used unless --sample, --limit or --all-prompts says otherwise. A killed command goes on
    where it was when it is given again, and a value added to --over computes its cells only.
    """
    from reaudio_eval.clips.collect import parse_named_paths
    from reaudio_eval.clips.models import Sampling
    from reaudio_eval.evaluations.sweep.cells import parse_over
    from reaudio_eval.evaluations.sweep.run import SweepRequest, plan_sweep
    from reaudio_eval.evaluations.sweep.run import sweep as run
    from reaudio_eval.evaluations.sweep.text import plan_json, result_json, result_text
    from reaudio_eval.prompts.datasets import DatasetOptions, dataset_defaults

    factors = parse_over(over or [])
    if all_prompts and (sample or limit is not None):
        raise ReaudioError("--all-prompts takes every prompt: leave out --sample and --limit, or --all-prompts.")
    hush_libraries()
    defaults = dataset_defaults(dataset)
    options = evaluation_options(
        protocol,
        embedder,
        checkpoint,
        metric,
        require,
        seed,
        batch_size,
        device,
        jobs,
        cache_dir,
        allow_download,
        strict,
        defaults,
    )
    progress, chosen = reporter(quiet), parse_captions(captions, per_class)
    named = parse_named_paths(weights or [], "--weights")
    for name in named:
        if name != model:
            raise ReaudioError(f"--weights names {name!r}, which is not the --model {model}.")
    request = SweepRequest(
        dataset=dataset,
        data=DatasetOptions(data_root, references, clip_manifest, split, chosen.number, options.cache_dir, progress),
        output=output,
        model=model,
        over=factors,
        design=design.value,
        weights=named.get(model),
        index=index,
        sampling=Sampling(steps, guidance, k, retrieval.value if retrieval else None, candidates),
        strata=strata or defaults.strata or DEFAULT_STRATA,
        class_prompts=chosen.class_prompts,
        limit=limit,
        sample=0 if all_prompts else sample,
        primary=primary or defaults.primary,
        overwrite=overwrite.value,
        media=media.value,
        players=players,
    )
    if dry_run:
        print_json(plan_json(request, plan_sweep(request, options)))
        return
    result = run(request, options, progress)
    if as_json:
        print_json(result_json(result))
    else:
        typer.echo(result_text(result))
