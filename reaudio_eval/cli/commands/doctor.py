"""``reaudio-eval doctor``: what is missing on this machine."""

from __future__ import annotations

import typer

from reaudio_eval.cli.options import DataRootOption
from reaudio_model.common.cli import CacheOption, JsonOption, print_json

EXAMPLE = "Example: [bold]reaudio-eval doctor --data-root audiocaps/[/bold]"


def doctor(
    data_root: DataRootOption = None,
    cache_dir: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the installation: versions, disk, checkpoints, dataset, audio formats. Exit code 1 if something needs repair."""
    from reaudio_eval.cli.doctor import examine, to_text
    from reaudio_model.common.files import default_cache_dir

    checks = examine(cache_dir or default_cache_dir(), data_root)
    if as_json:
        print_json([check._asdict() for check in checks])
    else:
        typer.echo(to_text(checks))
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)
