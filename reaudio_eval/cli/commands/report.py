"""``reaudio-eval report``: the report again from run directories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reaudio_eval.cli.options import MediaChoice, PlayersOption, SeedOption
from reaudio_model.common.cli import DEFAULT_JOBS, JobsOption, JsonOption, QuietOption, print_json, reporter

EXAMPLE = "Example: [bold]reaudio-eval report reports/test --output reports/again[/bold]"


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, or folders that contain them.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for the report.")] = Path("reports/longtail"),
    primary: Annotated[str | None, typer.Option("--primary", help="Metric shown first. Default: as in `longtail`.")] = None,
    strata: Annotated[
        str | None,
        typer.Option("--strata", help="Other strata for per-clip metrics (set metrics keep those they were scored with)."),
    ] = None,
    media: Annotated[
        MediaChoice, typer.Option("--media", help="Players inside the page, in a folder, or none.")
    ] = MediaChoice.inline,
    players: PlayersOption = None,
    baselines: Annotated[
        bool,
        typer.Option("--baselines/--no-baselines", help="Beside a bundled model show its twin by scores of the package."),
    ] = True,
    seed: SeedOption = 0,
    jobs: JobsOption = DEFAULT_JOBS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make the report again from run directories; needs neither networks nor the embeddings."""
    from reaudio_eval.evaluations.longtail.rerender import rerender
    from reaudio_eval.evaluations.longtail.text import longtail_json, longtail_text

    result = rerender(
        runs,
        output,
        primary=primary,
        strata=strata,
        media=media.value,
        players=players,
        seed=seed,
        bundled=baselines,
        jobs=jobs,
        reporter=reporter(quiet),
    )
    if as_json:
        print_json(longtail_json(result))
    else:
        typer.echo(longtail_text(result))
