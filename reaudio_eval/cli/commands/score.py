"""``reaudio-eval score``: every metric for two folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reaudio_eval.cli.options import (
    DEFAULT_PROTOCOL,
    CheckpointOption,
    DownloadOption,
    EmbedderOption,
    MetricOption,
    ProtocolOption,
    RequireOption,
    SeedOption,
    StrictOption,
    evaluation_options,
)
from reaudio_model.common.cli import (
    DEFAULT_JOBS,
    BatchOption,
    CacheOption,
    DeviceOption,
    DryRunOption,
    JobsOption,
    JsonOption,
    QuietOption,
    print_json,
    reporter,
)

EXAMPLE = "Example: [bold]reaudio-eval score generated/ reference/ --checkpoint panns=Cnn14_16k_mAP=0.438.pth --captions test.csv[/bold]"


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
    from reaudio_eval.evaluations.folders.run import folder_plan, score_folders

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
