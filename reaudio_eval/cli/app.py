"""The command line: evaluations found as plug-ins, and a few commands beside them.

Results go to stdout, progress and notes to stderr; a problem that the user can fix is one sentence and exit code 2. Nothing heavy is
imported before a command runs, so ``--help`` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from reaudio_eval import __version__
from reaudio_eval.cli.commands import data, doctor, fetch, names, prepare
from reaudio_eval.cli.evaluations import add_evaluations
from reaudio_model.common.cli import HELP_OPTIONS, CommandGroup, run_app


def _version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def make_app() -> typer.Typer:
    """The command line with the evaluations registered now."""
    made = typer.Typer(
        name="reaudio-eval",
        cls=CommandGroup,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings=HELP_OPTIONS,
        help="Evaluates text-to-audio systems by how often each sound class occurs in the training data.",
        epilog="Start with: [bold]reaudio-eval longtail --help[/bold]. Evaluations are Python functions too: reaudio_eval.longtail(...).",
    )
    made.callback()(_root)
    add_evaluations(made)
    data.add_to(made)
    names.add_to(made)
    prepare.add_to(made)
    fetch.add_to(made)
    doctor.add_to(made)
    return made


app = make_app()


def main() -> None:
    """Entry point of the command ``reaudio-eval``."""
    run_app(app, "reaudio-eval")


if __name__ == "__main__":
    main()
