"""Commands of the registered evaluations."""

from __future__ import annotations

from typing import Any

import typer

from reaudio_eval.evaluations.base import Evaluation, find_evaluations
from reaudio_model.common.cli import hush_libraries, print_json, reporter
from reaudio_model.common.commands import Invocation, add_command


def add_evaluations(app: typer.Typer) -> None:
    """A command for every registered evaluation; one with a space in its name belongs to a group."""
    groups: dict[str, typer.Typer] = {}
    for evaluation in find_evaluations():
        group, _, name = evaluation.name.rpartition(" ")
        if group and group not in groups:
            groups[group] = typer.Typer(no_args_is_help=True, help=evaluation.group_summary)
            groups[group].callback()(_group)  # without it a group of one command would take the group's name
            app.add_typer(groups[group], name=group)
        add_command(
            groups.get(group, app),
            name,
            evaluation.request,
            _runner(evaluation),
            summary=evaluation.summary,
            example=evaluation.example,
        )


def _group() -> None:
    pass


def _runner(evaluation: Evaluation) -> Any:
    def run(request: Any, how: Invocation) -> None:
        hush_libraries()
        progress = reporter(how.quiet)
        if how.dry_run:
            print_json(evaluation.plan(request, progress).to_json())
            return
        result = evaluation(request, reporter=progress)
        if how.as_json:
            print_json(result.to_json())
        else:
            typer.echo(result.to_text())

    return run
