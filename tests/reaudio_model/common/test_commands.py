"""Commands made of requests: options, help, configuration files, and errors in one sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
import typer
from typer.testing import CliRunner

from reaudio_model.common.cli import CommandGroup
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.options import Option, OptionGroup

runner = CliRunner()


@dataclass(frozen=True)
class Rare(OptionGroup):
    panel: ClassVar[str] = "Seldom"

    depth: Annotated[int, Option("How deep.", least=1)] = 2
    named: Annotated[dict[str, Path], Option("Files.", "--file", metavar="NAME=PATH")] = field(default_factory=dict)


@dataclass(frozen=True)
class Greeting(OptionGroup):
    names: Annotated[tuple[str, ...], Option("Whom to greet.", "ARGUMENT", "NAMES...")]
    tone: Annotated[Literal["warm", "cold"], Option("How to greet.", everyday=True)] = "warm"
    loud: Annotated[bool, Option("In capitals.", "--loud/--soft", everyday=True)] = False
    published: Annotated[bool | None, Option("Three states.", "--published/--no-published")] = None
    rare: Rare = field(default_factory=Rare)


@pytest.fixture
def calls() -> list[tuple[Any, Invocation]]:
    return []


@pytest.fixture
def app(calls: list[tuple[Any, Invocation]]) -> typer.Typer:
    made = typer.Typer(name="toy", cls=CommandGroup)
    made.callback()(lambda: None)
    add_command(
        made, "greet", Greeting, lambda r, how: calls.append((r, how)), summary="Greet people.", example="toy greet Ada"
    )
    return made


def test_options_reach_the_request(app: typer.Typer, calls: list[tuple[Any, Invocation]]) -> None:
    result = runner.invoke(
        app,
        [
            "greet",
            "Ada",
            "Grace",
            "--tone",
            "cold",
            "--loud",
            "--file",
            "a=b",
            "--file",
            "c=d",
            "--depth",
            "3",
            "--json",
            "--quiet",
        ],
    )
    assert result.exit_code == 0, result.output
    [(request, how)] = calls
    assert request == Greeting(("Ada", "Grace"), "cold", True, None, Rare(3, {"a": Path("b"), "c": Path("d")}))
    assert how == Invocation(as_json=True, quiet=True, dry_run=False)


def test_defaults_and_switches_of_three_states(app: typer.Typer, calls: list[tuple[Any, Invocation]]) -> None:
    for flags in ([], ["--published"], ["--no-published"]):
        assert runner.invoke(app, ["greet", "Ada", *flags]).exit_code == 0
    assert [request.published for request, _ in calls] == [None, True, False]
    assert calls[0][0] == Greeting(("Ada",))


def test_a_file_gives_options_and_the_command_line_wins(
    app: typer.Typer, calls: list[tuple[Any, Invocation]], tmp_path: Path
) -> None:
    (tmp_path / "run.yaml").write_text("tone: cold\ndepth: 4\nnames: [Ada]\n", encoding="utf-8")
    config = ["--config", str(tmp_path / "run.yaml")]
    assert runner.invoke(app, ["greet", "Grace", *config, "--depth", "5"]).exit_code == 0
    assert calls[0][0] == Greeting(("Grace",), "cold", rare=Rare(5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", "0"], "toy: --depth must be 1 or more, not 0."),
        (["--depth", "x"], "toy: --depth must be a whole number, not 'x'."),
        (["--tone", "wram"], "toy: Unknown value of --tone 'wram'. Did you mean 'warm'?"),
        (["--file", "a"], "toy: --file 'a' must have the form NAME=PATH."),
        (["--config", "no.yaml"], "toy: no.yaml does not exist; the options of --config should be there."),
    ],
)
def test_bad_input_is_one_sentence(app: typer.Typer, arguments: list[str], message: str) -> None:
    result = runner.invoke(app, ["greet", "Ada", *arguments])
    assert result.exit_code == 2
    assert result.stderr == message + "\n"


def test_an_unknown_option_of_a_file_is_named(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("deph: 4\n", encoding="utf-8")
    result = runner.invoke(app, ["greet", "Ada", "--config", str(tmp_path / "run.yaml")])
    assert result.exit_code == 2
    assert "Unknown option 'deph'. Did you mean 'depth'" in result.stderr


def test_help_shows_everyday_options_and_help_all_the_others(app: typer.Typer) -> None:
    short, whole = (runner.invoke(app, ["greet", flag], env={"COLUMNS": "120"}).stdout for flag in ("--help", "--help-all"))
    assert "--tone" in short
    assert "warm|cold" in short
    assert "--depth" not in short
    assert "Seldom" in whole
    assert "--depth" in whole
    assert "[default: 2]" in whole
    for text in (short, whole):
        assert "Greet people." in text
        assert "Example: toy greet Ada" in text


@dataclass(frozen=True)
class Trip(OptionGroup):
    everyday: ClassVar[bool] = True

    config: Annotated[str, Option("Which one.")]


def test_a_command_has_only_the_common_options_it_names(calls: list[tuple[Any, Invocation]]) -> None:
    app = typer.Typer(name="toy", cls=CommandGroup)
    add_command(app, "go", Trip, lambda r, how: calls.append((r, how)), summary="", example="", common=("quiet",))
    assert runner.invoke(app, ["--config", "a", "--quiet"]).exit_code == 0
    assert calls == [(Trip("a"), Invocation(quiet=True))]
    for flag in ("--json", "--dry-run"):
        assert "No such option" in runner.invoke(app, ["--config", "a", flag]).stderr
    assert "Which one. Required." in runner.invoke(app, ["--help"], env={"COLUMNS": "120"}).stdout


def test_arguments_may_stand_in_the_file_and_are_named_when_missing(
    app: typer.Typer, calls: list[tuple[Any, Invocation]], tmp_path: Path
) -> None:
    (tmp_path / "run.yaml").write_text("names: Ada\n", encoding="utf-8")
    assert runner.invoke(app, ["greet", "--config", str(tmp_path / "run.yaml")]).exit_code == 0
    assert calls[0][0] == Greeting(("Ada",))
    result = runner.invoke(app, ["greet"])
    assert (result.exit_code, result.stderr) == (2, "toy: Missing: NAMES (Whom to greet).\n")
