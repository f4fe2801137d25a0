"""The command line. Results go to stdout, progress and notes to stderr; a problem the user can fix is one sentence and exit code 2.

Nothing heavy is imported before a command runs, so ``--help`` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from reaudio_eval import __version__
from reaudio_eval.cli.commands import compare, data, doctor, listening, longtail, names, plot, report, score, sweep, zeroshot
from reaudio_model.common.cli import HELP_OPTIONS, CommandGroup

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
app.command(epilog=longtail.EXAMPLE)(longtail.longtail)
app.command(epilog=zeroshot.EXAMPLE)(zeroshot.zeroshot)
app.command(epilog=sweep.EXAMPLE)(sweep.sweep)
app.command(epilog=score.EXAMPLE)(score.score)
app.command(epilog=report.EXAMPLE)(report.report)
app.command(epilog=compare.EXAMPLE)(compare.compare)
app.add_typer(data.app, name="data")
app.add_typer(plot.app, name="plot")
app.add_typer(listening.app, name="listening")
app.command("list", epilog=names.EXAMPLE)(names.list_names)
app.command(epilog=doctor.EXAMPLE)(doctor.doctor)


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
