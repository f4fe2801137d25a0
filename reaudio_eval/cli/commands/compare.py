"""``reaudio-eval compare``: systems of several runs in one table, with differences to a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reaudio_eval.cli.options import MediaChoice, SeedOption
from reaudio_model.common.cli import DEFAULT_JOBS, DryRunOption, JobsOption, JsonOption, QuietOption, print_json, reporter

EXAMPLE = "Example: [bold]reaudio-eval compare reports/tango reports/ours --baseline tango --output reports/compare[/bold]"


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, or folders that contain them, of any evaluations.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for the page.")] = Path("reports/compare"),
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", help="System that others are compared with. Default: the first generated one."),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option("--system", help="Show differences, figures and clips of this system only; repeatable. Default: all."),
    ] = None,
    intersect: Annotated[
        bool, typer.Option("--intersect", help="Compare runs over different clips on those that all have.")
    ] = False,
    strata: Annotated[
        str | None,
        typer.Option("--strata", help="Other strata than the first run's (set metrics are then over all clips only)."),
    ] = None,
    primary: Annotated[str | None, typer.Option("--primary", help="Metric shown first. Default: the dataset's.")] = None,
    published: Annotated[
        bool | None,
        typer.Option("--published/--no-published", help="Published numbers in a table apart. Default: on AudioCaps only."),
    ] = None,
    players: Annotated[int, typer.Option("--players", help="Clips to listen to, at most.")] = 120,
    media: Annotated[
        MediaChoice, typer.Option("--media", help="Players inside the page, in a folder, or none.")
    ] = MediaChoice.inline,
    seed: SeedOption = 0,
    jobs: JobsOption = DEFAULT_JOBS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Compare systems of several runs on the same clips and write compare.html, tables (CSV, LaTeX) and figures.

    Needs neither networks nor embeddings. Runs with other protocols, checkpoints, captions or training counts are refused.
    """
    from reaudio_eval.evaluations.compare.run import compare as run
    from reaudio_eval.evaluations.compare.run import gather
    from reaudio_eval.evaluations.longtail.text import compare_json, compare_text

    systems = tuple(system or ())
    if dry_run:
        print_json(gather(runs, intersect=intersect, baseline=baseline, systems=systems).to_json())
        return
    result = run(
        runs,
        output,
        baseline=baseline,
        systems=systems,
        intersect=intersect,
        strata=strata,
        primary=primary,
        published=published,
        players=players,
        media=media.value,
        seed=seed,
        jobs=jobs,
        reporter=reporter(quiet),
    )
    if as_json:
        print_json(compare_json(result))
    else:
        typer.echo(compare_text(result))
