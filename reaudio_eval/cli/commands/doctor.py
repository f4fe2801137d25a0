"""``reaudio-eval doctor``: checks of the installation, a cache, a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reaudio_eval.evaluations.options import MACHINE, DataRoot
from reaudio_model.common.cli import print_json
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option, OptionGroup

if TYPE_CHECKING:
    from reaudio_eval.cli.doctor import Check

STORED = "Stored results"


@dataclass(frozen=True)
class DoctorRequest(OptionGroup):
    """What to check: the installation, or what is named."""

    data_root: DataRoot = None
    cache_dir: Annotated[
        Path | None,
        Option(
            "Folder of features and checkpoints. Default: $REAUDIO_CACHE or the user cache.", panel=MACHINE, everyday=True
        ),
    ] = None
    cache: Annotated[
        Path | None, Option("Verify every entry of this cache, and nothing else.", panel=STORED, everyday=True)
    ] = None
    clean: Annotated[bool, Option("With --cache: remove damaged and stale entries.", panel=STORED, everyday=True)] = False
    run: Annotated[
        Path | None, Option("Verify the files of this run directory, and nothing else.", panel=STORED, everyday=True)
    ] = None
    model: Annotated[
        Path | None, Option("List the parts of this saved pipeline, and nothing else.", panel=STORED, everyday=True)
    ] = None

    def check(self) -> None:
        if self.clean and self.cache is None:
            raise ReaudioError("--clean removes entries of a cache: name it with --cache.")


def add_to(app: typer.Typer) -> None:
    """Add the command ``doctor``."""
    add_command(
        app,
        "doctor",
        DoctorRequest,
        _doctor,
        summary="Check the installation: versions, disk, checkpoints, dataset, audio formats; or a cache, a run, a saved model. "
        "Exit code 1 if something needs repair.",
        example="reaudio-eval doctor --data-root audiocaps/",
        common=("config", "json"),
    )


def _doctor(request: DoctorRequest, how: Invocation) -> None:
    from reaudio_eval.cli.doctor import to_text

    checks = _checks(request)
    if how.as_json:
        print_json([check._asdict() for check in checks])
    else:
        typer.echo(to_text(checks))
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)


def _checks(request: DoctorRequest) -> list[Check]:
    from reaudio_eval.cli.doctor import examine
    from reaudio_eval.cli.doctor_model import check_model
    from reaudio_eval.cli.doctor_stored import check_cache, check_run
    from reaudio_model.common.files import default_cache_dir

    checks = check_cache(request.cache, clean=request.clean) if request.cache else []
    checks += check_run(request.run) if request.run else []
    checks += check_model(request.model) if request.model else []
    return checks or examine(request.cache_dir or default_cache_dir(), request.data_root)
