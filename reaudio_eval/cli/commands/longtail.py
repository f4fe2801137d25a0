"""``reaudio-eval longtail``: the main command."""

from __future__ import annotations

from pathlib import Path

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

EXAMPLE = (
    "Example: [bold]reaudio-eval longtail --model re-audioldm-l[/bold] (the bundled miniature, nothing needed), or "
    "[bold]reaudio-eval longtail --dataset audiocaps --data-root audiocaps/ --references audio/test "
    "--clips MyModel=out/ --clips Tango=tango/ --checkpoint panns=Cnn14_16k_mAP=0.438.pth --output reports/test[/bold]"
)


def longtail(
    output: OutputOption = Path("reports/longtail"),
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
    retrieval: RetrievalOption = None,
    baselines: BaselinesOption = BaselinesChoice.bundled,
    real: RealOption = True,
    noise: NoiseOption = True,
    strata: StrataOption = None,
    primary: PrimaryOption = None,
    media: MediaOption = MediaChoice.inline,
    players: PlayersOption = None,
    overwrite: OverwriteOption = OverwriteChoice.only_missing,
    limit: LimitOption = None,
    sample: SampleOption = None,
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
    """Score systems by label frequency and write longtail.html, run directories, figures and tables.

    A killed command goes on where it was when it is given again.
    """
    from reaudio_eval.clips.collect import parse_named_paths
    from reaudio_eval.clips.models import Sampling
    from reaudio_eval.evaluations.longtail.plan import LongtailRequest, plan
    from reaudio_eval.evaluations.longtail.run import longtail as run
    from reaudio_eval.evaluations.longtail.text import longtail_json, longtail_text, plan_json
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
    request = LongtailRequest(
        dataset=dataset,
        data=DatasetOptions(data_root, references, clip_manifest, split, chosen.number, options.cache_dir, progress),
        output=output,
        clips=parse_named_paths(clips or [], "--clips"),
        models=tuple(model or ()),
        weights=parse_named_paths(weights or [], "--weights"),
        index=index,
        sampling=Sampling(steps, guidance, k, retrieval.value if retrieval else None, candidates),
        baselines=baselines.value,
        real=real,
        noise=noise,
        strata=strata or defaults.strata or DEFAULT_STRATA,
        class_prompts=chosen.class_prompts,
        limit=limit,
        sample=sample or 0,
        primary=primary or (None if metric else defaults.primary),  # the default may not be among those named
        overwrite=overwrite.value,
        media=media.value,
        players=players,
    )
    if dry_run:
        print_json(plan_json(request, plan(request, options)))
        return
    result = run(request, options, progress)
    if as_json:
        print_json(longtail_json(result))
    else:
        typer.echo(longtail_text(result))
