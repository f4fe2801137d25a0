"""``reaudio-eval prepare``: downloaded data to a checked data root."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from reaudio_eval.evaluations.options import DATA, MACHINE, OUTPUT, Jobs, SkipBadRows
from reaudio_model.common.cli import DEFAULT_JOBS, print_json, reporter
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.limits import MAX_SECONDS
from reaudio_model.common.options import Option, OptionGroup


@dataclass(frozen=True)
class PrepareAudiocapsRequest(OptionGroup):
    """Where tables and audio are."""

    tables: Annotated[
        tuple[Path, ...],
        Option(
            "Folder with train.csv, val.csv and test.csv, or with AudioSet's class_labels_indices.csv and *_segments.csv; repeatable.",
            panel=DATA,
            everyday=True,
        ),
    ]
    audio: Annotated[
        tuple[Path, ...],
        Option(
            "Folder of audio files, in sub-folders or not, or of a saved or downloaded dataset of the Hugging Face hub; repeatable.",
            panel=DATA,
            everyday=True,
        ),
    ]
    output: Annotated[Path, Option("The data root to make.", "--output -o", panel=OUTPUT, everyday=True)]
    lists: Annotated[
        dict[str, Path],
        Option(
            "A further list of test clips: a CSV (clip_id, caption, ...), or a text with a name a line; repeatable.",
            "--list",
            metavar="NAME=FILE",
            panel=DATA,
            everyday=True,
        ),
    ] = field(default_factory=dict)
    skip_bad_rows: SkipBadRows = False
    max_seconds: Annotated[
        float, Option("Longer recordings are unreadable, which bounds memory.", metavar="S", panel=DATA, least=1)
    ] = MAX_SECONDS
    jobs: Jobs = DEFAULT_JOBS
    cache_dir: Annotated[
        Path | None, Option("Folder that keeps audits. Default: $REAUDIO_CACHE or the user cache.", panel=MACHINE)
    ] = None


def add_to(app: typer.Typer) -> None:
    """Add the group ``prepare``."""
    group = typer.Typer(no_args_is_help=True, help="Downloaded data to a checked data root.")
    add_command(
        group,
        "audiocaps",
        PrepareAudiocapsRequest,
        _audiocaps,
        summary="Find the recordings of AudioCaps' clips in a folder of any usual layout, check them, and make a data root: tables with "
        "labels, links to the audio, the published lists of test clips, and what is missing, corrupt, odd or double.",
        example="reaudio-eval prepare audiocaps --tables audiocaps/dataset --tables audioset/ --audio downloads/ --output data/audiocaps",
    )
    app.add_typer(group, name="prepare")


def _audiocaps(request: PrepareAudiocapsRequest, how: Invocation) -> None:
    from reaudio_eval.cli.prepare.audiocaps import FINDINGS, plan, preview, run
    from reaudio_model.common.files import default_cache_dir

    planned = plan(request.tables, request.audio, request.output, request.lists, skip_bad_rows=request.skip_bad_rows)
    shown = reporter(how.quiet)
    for note in planned.tables.notes:
        shown.note(note)
    if how.dry_run:
        done = preview(planned)
    else:
        cache_dir = request.cache_dir or default_cache_dir()
        done = run(
            planned,
            request.output,
            cache_dir=cache_dir,
            jobs=request.jobs,
            max_seconds=request.max_seconds,
            reporter=shown,
        )
    if how.as_json:
        print_json({"output": str(request.output), "dry_run": how.dry_run, **done.to_json()})
        return
    typer.echo(done.to_text())
    if not how.dry_run:
        typer.echo(f"\n{len(done.listed):,} findings in {request.output / FINDINGS}")
