"""``reaudio-eval doctor``: check of the installation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from reaudio_eval.evaluations.options import MACHINE, DataRoot
from reaudio_model.common.cli import print_json
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.options import Option, OptionGroup


@dataclass(frozen=True)
class DoctorRequest(OptionGroup):
    """What to check beside the installation."""

    data_root: DataRoot = None
    cache_dir: Annotated[
        Path | None,
        Option(
            "Folder of features and checkpoints. Default: $REAUDIO_CACHE or the user cache.", panel=MACHINE, everyday=True
        ),
    ] = None


def add_to(app: typer.Typer) -> None:
    """Add the command ``doctor``."""
    add_command(
        app,
        "doctor",
        DoctorRequest,
        _doctor,
        summary="Check the installation: versions, disk, checkpoints, dataset, audio formats. Exit code 1 if something needs repair.",
        example="reaudio-eval doctor --data-root audiocaps/",
    )


def _doctor(request: DoctorRequest, how: Invocation) -> None:
    from reaudio_eval.cli.doctor import examine, to_text
    from reaudio_model.common.files import default_cache_dir

    checks = examine(request.cache_dir or default_cache_dir(), request.data_root)
    if how.as_json:
        print_json([check._asdict() for check in checks])
    else:
        typer.echo(to_text(checks))
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)
