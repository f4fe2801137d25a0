"""The command line. Results go to stdout, progress and notes to stderr; a problem the user can fix is one sentence and exit code 2.

Nothing heavy is imported before a command runs, so ``--help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reaudio_eval import __version__
from reaudio_eval.cli_options import (
    DEFAULT_DATASET,
    DEFAULT_PROTOCOL,
    DEFAULT_STRATA,
    BaselinesChoice,
    CheckpointOption,
    DataRootOption,
    DatasetOption,
    DatasetProtocolOption,
    DownloadOption,
    EmbedderOption,
    MediaChoice,
    MetricOption,
    OverwriteChoice,
    ProtocolOption,
    RequireOption,
    SeedOption,
    StrictOption,
    dataset_defaults,
    evaluation_options,
)
from reaudio_model.common.cli import (
    DEFAULT_JOBS,
    HELP_OPTIONS,
    BatchOption,
    CacheOption,
    CommandGroup,
    DeviceOption,
    DryRunOption,
    JobsOption,
    JsonOption,
    QuietOption,
    hush_libraries,
    print_json,
    reporter,
)
from reaudio_model.common.errors import UnknownNameError

app = typer.Typer(
    name="reaudio-eval",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings=HELP_OPTIONS,
    help="Does a text-to-audio system still work on the rare sounds? Scores systems by how often each sound occurs in training.",
    epilog="Start with: [bold]reaudio-eval longtail --help[/bold]. Everything is also a Python function: reaudio_eval.longtail(...).",
)
data_app = typer.Typer(no_args_is_help=True, help="Look at a dataset.")
app.add_typer(data_app, name="data")


@app.command(
    epilog="Example: [bold]reaudio-eval score generated/ reference/ --checkpoint panns=Cnn14_16k_mAP=0.438.pth --captions test.csv[/bold]"
)
def score(
    generated: Annotated[Path, typer.Argument(help="Folder of generated clips.")],
    reference: Annotated[Path, typer.Argument(help="Folder of real clips; files pair by name without suffix.")],
    captions: Annotated[
        Path | None, typer.Option("--captions", help="CSV with clip_id (or file) and caption, for CLAP score.")
    ] = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    embedder: EmbedderOption = None,
    checkpoint: CheckpointOption = None,
    metric: MetricOption = None,
    require: RequireOption = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first so many clips.")] = None,
    seed: SeedOption = 0,
    batch_size: BatchOption = 8,
    device: DeviceOption = "auto",
    jobs: JobsOption = DEFAULT_JOBS,
    cache_dir: CacheOption = None,
    allow_download: DownloadOption = False,
    strict: StrictOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Every metric for two folders: FAD, FD, KL, IS, KAD, CLAP score, with intervals and an audit of the files."""
    from reaudio_eval.score_folders import folder_plan, score_folders

    options = evaluation_options(
        protocol, embedder, checkpoint, metric, require, seed, batch_size, device, jobs, cache_dir, allow_download, strict
    )
    if dry_run:
        print_json(folder_plan(generated, reference, captions, options, limit))
        return
    result = score_folders(generated, reference, captions, options, limit, reporter(quiet))
    if as_json:
        print_json(result.to_json())
    else:
        typer.echo(result.to_text())


@app.command(
    epilog="Example: [bold]reaudio-eval longtail --model re-audioldm-l[/bold] (the bundled miniature, nothing needed), or "
    "[bold]reaudio-eval longtail --dataset audiocaps --data-root audiocaps/ --references audio/test "
    "--clips MyModel=out/ --clips Tango=tango/ --checkpoint panns=Cnn14_16k_mAP=0.438.pth --output reports/test[/bold]"
)
def longtail(
    output: Annotated[Path, typer.Option("--output", help="Folder for the report and the run directories.")] = Path(
        "reports/longtail"
    ),
    dataset: DatasetOption = DEFAULT_DATASET,
    data_root: DataRootOption = None,
    split: Annotated[str, typer.Option("--split", help="Split whose prompts are used.")] = "test",
    captions: Annotated[int, typer.Option("--captions", help="Which caption of several, from 1.")] = 1,
    references: Annotated[Path | None, typer.Option("--references", help="Folder of real clips.")] = None,
    clip_manifest: Annotated[
        Path | None, typer.Option("--clip-manifest", help="CSV (clip_id, caption, ...) naming the prompts that were used.")
    ] = None,
    clips: Annotated[
        list[str] | None,
        typer.Option("--clips", metavar="NAME=FOLDER", help="A system's clips, file stem = clip id; repeatable."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="A registered model (see `list models`); repeatable.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option("--weights", metavar="MODEL=FOLDER", help="A saved pipeline for a --model; repeatable."),
    ] = None,
    index: Annotated[
        Path | None, typer.Option("--index", help="Retrieval index for models with --weights (`reaudio-model index build`).")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Denoising steps. Default: the model's.")] = None,
    guidance: Annotated[float | None, typer.Option("--guidance", help="Guidance scale. Default: the model's.")] = None,
    k: Annotated[int | None, typer.Option("--k", min=0, help="Retrieved pairs a model uses. Default: the model's.")] = None,
    baselines: Annotated[
        BaselinesChoice,
        typer.Option(
            "--baselines", help="Beside a bundled model: its twin without retrieval by scores of the package, or made anew."
        ),
    ] = BaselinesChoice.bundled,
    real: Annotated[bool, typer.Option("--real/--no-real", help="Score the real audio too (ceiling).")] = True,
    noise: Annotated[bool, typer.Option("--noise/--no-noise", help="Score noise too (floor).")] = True,
    strata: Annotated[
        str | None,
        typer.Option(
            "--strata",
            help="log10, lvis, imagenet-lt, tertile, or edges such as 10,100,1000. Default: the dataset's, else log10.",
        ),
    ] = None,
    primary: Annotated[
        str | None,
        typer.Option("--primary", help="Metric shown first. Default: the dataset's, else CLAP score, else label recall."),
    ] = None,
    media: Annotated[
        MediaChoice, typer.Option("--media", help="Players inside the page, in a folder beside it, or none.")
    ] = (MediaChoice.inline),
    overwrite: Annotated[OverwriteChoice, typer.Option("--overwrite", help="What to do with finished runs.")] = (
        OverwriteChoice.only_missing
    ),
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first so many prompts.")] = None,
    protocol: DatasetProtocolOption = None,
    embedder: EmbedderOption = None,
    checkpoint: CheckpointOption = None,
    metric: MetricOption = None,
    require: RequireOption = None,
    seed: SeedOption = 0,
    batch_size: BatchOption = 8,
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
    from reaudio_eval.datasets import DatasetOptions
    from reaudio_eval.generate import parse_named_paths
    from reaudio_eval.longtail_run import LongtailRequest, plan
    from reaudio_eval.longtail_run import longtail as run
    from reaudio_eval.models import Sampling
    from reaudio_eval.printing import longtail_json, longtail_text, plan_json

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
    progress = reporter(quiet)
    request = LongtailRequest(
        dataset=dataset,
        data=DatasetOptions(data_root, references, clip_manifest, split, captions, options.cache_dir, progress),
        output=output,
        clips=parse_named_paths(clips or [], "--clips"),
        models=tuple(model or ()),
        weights=parse_named_paths(weights or [], "--weights"),
        index=index,
        sampling=Sampling(steps, guidance, k),
        baselines=baselines.value,
        real=real,
        noise=noise,
        strata=strata or defaults.strata or DEFAULT_STRATA,
        limit=limit,
        primary=primary or defaults.primary,
        overwrite=overwrite.value,
        media=media.value,
    )
    if dry_run:
        print_json(plan_json(request, plan(request, options)))
        return
    result = run(request, options, progress)
    if as_json:
        print_json(longtail_json(result))
    else:
        typer.echo(longtail_text(result))


@app.command(epilog="Example: [bold]reaudio-eval report reports/test --output reports/again[/bold]")
def report(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, or folders that contain them.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for the report.")] = Path("reports/longtail"),
    primary: Annotated[str | None, typer.Option("--primary", help="Metric shown first.")] = None,
    strata: Annotated[
        str | None,
        typer.Option("--strata", help="Other strata for per-clip metrics (set metrics keep those they were scored with)."),
    ] = None,
    media: Annotated[
        MediaChoice, typer.Option("--media", help="Players inside the page, in a folder, or none.")
    ] = MediaChoice.inline,
    seed: SeedOption = 0,
    jobs: JobsOption = DEFAULT_JOBS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make the report again from run directories; needs neither networks nor the embeddings."""
    from reaudio_eval.printing import longtail_json, longtail_text
    from reaudio_eval.rerendering import rerender

    result = rerender(
        runs, output, primary=primary, strata=strata, media=media.value, seed=seed, jobs=jobs, reporter=reporter(quiet)
    )
    if as_json:
        print_json(longtail_json(result))
    else:
        typer.echo(longtail_text(result))


@data_app.command("stats", epilog="Example: [bold]reaudio-eval data stats --dataset audiocaps --data-root audiocaps/[/bold]")
def data_stats(
    dataset: DatasetOption = DEFAULT_DATASET,
    data_root: DataRootOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for the table (CSV) and the figure (SVG, PDF, PNG).")
    ] = None,
    top: Annotated[int, typer.Option("--top", help="Labels listed in the text.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """How often each label occurs: the histogram of the paper's Figures 1 and 4, as table, JSON and figure."""
    from reaudio_eval.printing import statistics_text, write_statistics

    statistics = _statistics(dataset, data_root)
    if output is not None:
        write_statistics(statistics, output)
    if as_json:
        print_json(statistics.to_json())
    else:
        typer.echo(statistics_text(statistics, top))


def _statistics(dataset: str, data_root: Path | None) -> Any:
    from reaudio_eval.data_stats import label_statistics
    from reaudio_eval.datasets import DatasetOptions

    return label_statistics(dataset, DatasetOptions(data_root=data_root))


@app.command("list", epilog="Example: [bold]reaudio-eval list metrics[/bold]")
def list_names(
    what: Annotated[str, typer.Argument(help="models, datasets, embedders, metrics or protocols.")],
    as_json: JsonOption = False,
) -> None:
    """Registered names with one line each; nothing is imported."""
    from reaudio_eval import registry
    from reaudio_eval.protocols import PROTOCOLS

    if what == "protocols":
        rows = {name: p.description for name, p in PROTOCOLS.items()}
    elif what in registry.KINDS:
        rows = {registry.public_name(what, name): entry.description for name, entry in registry.entries(what).items()}
    else:
        raise UnknownNameError("list", what, (*registry.KINDS, "protocols"))
    if as_json:
        print_json([{"name": name, "description": text} for name, text in rows.items()])
        return
    width = max(map(len, rows), default=0)
    for name, text in rows.items():
        typer.echo(f"{name:<{width}}  {text}")


@app.command(epilog="Example: [bold]reaudio-eval doctor --data-root audiocaps/[/bold]")
def doctor(
    data_root: DataRootOption = None,
    cache_dir: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the installation: versions, disk, checkpoints, dataset, audio formats. Exit code 1 if something needs repair."""
    from reaudio_eval.doctor import examine, to_text
    from reaudio_model.common.files import default_cache_dir

    checks = examine(cache_dir or default_cache_dir(), data_root)
    if as_json:
        print_json([check._asdict() for check in checks])
    else:
        typer.echo(to_text(checks))
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)


def _version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the command ``reaudio-eval``."""
    app(prog_name="reaudio-eval")


if __name__ == "__main__":
    main()
