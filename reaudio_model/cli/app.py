"""The command line of the model.

Results go to stdout, progress and notes to stderr. A problem the user can fix is one sentence and exit code 2. Heavy imports happen in
the commands, so that ``--help`` is fast.
"""

from __future__ import annotations

from typing import Annotated

import typer

from reaudio_model.cli.commands import assemble, convert, generate, index, info, reproduce, train
from reaudio_model.common.cli import HELP_OPTIONS, CommandGroup, run_app

app = typer.Typer(
    name="reaudio-model",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings=HELP_OPTIONS,
    help="Re-AudioLDM: text-to-audio generation conditioned on retrieved (text, audio) pairs. Train it, build an index, generate.",
    epilog="Start with: [bold]reaudio-model info re-audioldm-s[/bold]. Everything is also a Python function.",
)
for _command in (generate, train, info, convert, assemble, reproduce, index):
    _command.add_to(app)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(version("reaudio-eval"))  # one distribution holds both packages
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the command ``reaudio-model``."""
    run_app(app, "reaudio-model")


if __name__ == "__main__":
    main()
