"""``reaudio-eval zeroshot``: classes that the generator never saw, and what retrieval buys on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reaudio_eval.cli.options import (
    DEFAULT_DATASET,
    DEFAULT_STRATA,
    BaselinesChoice,
    BaselinesOption,
    CandidatesOption,
    CaptionsOption,
    CheckpointOption,
    ClipManifestOption,
    ClipsOption,
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
    ModelOption,
    NoiseOption,
    OutputOption,
    OverwriteChoice,
    OverwriteOption,
    PerClassOption,
    PlayersOption,
    PrimaryOption,
    RealOption,
    ReferencesOption,
    RequireOption,
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

FEW_SHOT = 19  # as in reaudio_eval.prompts.regimes, which is not imported for --help
EXAMPLE = (
    "Example: [bold]reaudio-eval zeroshot --model re-audioldm-l[/bold] (the bundled miniature, nothing needed), or "
    "[bold]reaudio-eval zeroshot --dataset audiocaps --data-root audiocaps/ --references audio/test --clips Mine=out/ "
    "--trained-on Mine=dataset --clips Plain=plain/ --trained-on Plain=dataset --twin Plain --output reports/zeroshot[/bold]"
)
FewShotOption = Annotated[
    int, typer.Option("--few-shot", help="A class with 1 to so many training clips is few-shot; 0: no such regime.")
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Use every prompt, not only those with a zero-shot or few-shot class.")
]
TrainedOnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--trained-on",
        metavar="NAME=WHAT",
        help="What a system was trained on: dataset, all, nothing, audioset, wavcaps, or a file with a label or label name per line; "
        "repeatable. Default: the model's own; unknown for --clips and --weights.",
    ),
]
TwinOption = Annotated[
    str | None, typer.Option("--twin", help="The system without retrieval. Default: the bundled one beside a bundled model.")
]
CopiedOption = Annotated[
    str | None, typer.Option("--copied", help="The retrieved clips submitted as they are. Default: copy-retrieved.")
]
OracleOption = Annotated[
    bool,
    typer.Option("--oracle/--no-oracle", help="Beside a bundled model: an oracle that hears the real clip of each prompt."),
]
PoolLabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--pool-labels",
        help="CSV (label, n_pool) of what the retrieval pool holds. Default: the dataset's pool; unknown with --index.",
    ),
]


def zeroshot(
    output: OutputOption = Path("reports/zeroshot"),
    dataset: DatasetOption = DEFAULT_DATASET,
    data_root: DataRootOption = None,
    split: SplitOption = "test",
    captions: CaptionsOption = "1",
    per_class: PerClassOption = None,
    references: ReferencesOption = None,
    clip_manifest: ClipManifestOption = None,
    clips: ClipsOption = None,
    model: ModelOption = None,
    weights: WeightsOption = None,
    index: IndexOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    candidates: CandidatesOption = None,
    k: KOption = None,
    few_shot: FewShotOption = FEW_SHOT,
    every_prompt: AllOption = False,
    trained_on: TrainedOnOption = None,
    twin: TwinOption = None,
    copied: CopiedOption = None,
    oracle: OracleOption = True,
    pool_labels: PoolLabelsOption = None,
    baselines: BaselinesOption = BaselinesChoice.bundled,
    real: RealOption = True,
    noise: NoiseOption = True,
    strata: StrataOption = None,
    primary: PrimaryOption = None,
    media: MediaOption = MediaChoice.inline,
    players: PlayersOption = None,
    overwrite: OverwriteOption = OverwriteChoice.only_missing,
    limit: LimitOption = None,
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
    """Score systems on classes they never saw in training, or hardly, and write zeroshot.html, run directories, figures and tables.

    A killed command goes on where it was when it is given again.
    """
    from reaudio_eval.clips.collect import parse_named_paths
    from reaudio_eval.clips.models import Sampling
    from reaudio_eval.evaluations.longtail.plan import LongtailRequest
    from reaudio_eval.evaluations.zeroshot.run import ZeroshotRequest, plan_zeroshot
    from reaudio_eval.evaluations.zeroshot.run import zeroshot as run
    from reaudio_eval.evaluations.zeroshot.text import zeroshot_json, zeroshot_plan_json, zeroshot_text
    from reaudio_eval.prompts.datasets import DatasetOptions, dataset_defaults

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
    evaluation = LongtailRequest(
        dataset=dataset,
        data=DatasetOptions(data_root, references, clip_manifest, split, chosen.number, options.cache_dir, progress),
        output=output,
        clips=parse_named_paths(clips or [], "--clips"),
        models=tuple(model or ()),
        weights=parse_named_paths(weights or [], "--weights"),
        index=index,
        sampling=Sampling(steps, guidance, k, candidates=candidates),
        baselines=baselines.value,
        real=real,
        noise=noise,
        strata=strata or defaults.strata or DEFAULT_STRATA,
        class_prompts=chosen.class_prompts,
        limit=limit,
        primary=primary or (None if metric else defaults.primary),  # the default may not be among those named
        overwrite=overwrite.value,
        media=media.value,
        players=players,
    )
    request = ZeroshotRequest(
        evaluation,
        few_shot=few_shot,
        every_prompt=every_prompt,
        trained_on={name: str(path) for name, path in parse_named_paths(trained_on or [], "--trained-on").items()},
        twin=twin,
        copied=copied,
        oracle=oracle,
        pool_labels=pool_labels,
    )
    if dry_run:
        print_json(zeroshot_plan_json(request, *plan_zeroshot(request, options)))
        return
    result = run(request, options, progress)
    if as_json:
        print_json(zeroshot_json(result))
    else:
        typer.echo(zeroshot_text(result))
