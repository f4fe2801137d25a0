"""Messages: every error class is one line and exit code 2, and options that are named exist in the commands that can say so."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from reaudio_eval.cli.app import app as eval_app
from reaudio_eval.evaluations.base import find_evaluations
from reaudio_model.cli.app import app as model_app
from reaudio_model.common.code import code_closure
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import option_fields

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for name in ("reaudio_eval", "reaudio_model") for p in (ROOT / name).rglob("*.py"))
APPS = {"reaudio-eval": eval_app, "reaudio-model": model_app}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9_-]*")
EVERY_COMMAND = frozenset({"--help"})
OTHER_PROGRAMS = {
    "accelerate launch": frozenset({"--num_processes"}),
    "hf download": frozenset({"--include"}),
    "pip install": frozenset({"--force-reinstall"}),
    "ray start": frozenset({"--head"}),
}
NO_MESSAGES = ("reaudio_eval/reports/palette.py",)  # variables of CSS


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


# --- error classes ---------------------------------------------------------------------------------------------------


def _subclasses(kind: type[ReaudioError]) -> Iterator[type[ReaudioError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _subclasses(each)


@cache
def error_classes() -> list[type[ReaudioError]]:
    for path in SOURCES:
        if re.search(r"^class \w+\(.*Error\)", path.read_text(encoding="utf-8"), re.MULTILINE):
            importlib.import_module(module_name(path))
    own = {kind for kind in _subclasses(ReaudioError) if kind.__module__.startswith(("reaudio_eval", "reaudio_model"))}
    return sorted(own, key=lambda kind: kind.__qualname__)


def make(kind: type[ReaudioError]) -> ReaudioError:
    """An instance, whatever its constructor takes: texts, and lists of texts."""
    if "__init__" not in vars(kind):
        return kind("a.csv is damaged: download it again.")
    parameters = [p for p in list(inspect.signature(kind.__init__).parameters.values())[1:] if p.default is p.empty]
    values: list[Any] = [["known"] if "Iterable" in str(p.annotation) else p.name for p in parameters]
    return kind(*values)


def _raising(name: str, error: ReaudioError) -> typer.Typer:
    """A program whose command fails, with the group of commands of the real one."""
    app = typer.Typer(name=name, cls=type(typer.main.get_command(APPS[name])))
    app.callback()(lambda: None)

    @app.command()
    def fail() -> None:
        raise error

    return app


@pytest.mark.parametrize("name", APPS)
def test_every_error_class_is_one_line_and_exit_code_2(name: str) -> None:
    assert len(error_classes()) >= 4
    for kind in error_classes():
        error = make(kind)
        result = CliRunner().invoke(_raising(name, error), ["fail"])
        assert result.exit_code == 2, kind
        assert result.stderr == f"{name}: {error}\n", kind
        assert result.stdout == ""


# --- names of options ------------------------------------------------------------------------------------------------


def flags_of(command: Any) -> frozenset[str]:
    """Options of a command and of its sub-commands."""
    own = {flag for p in command.params for flag in (*p.opts, *p.secondary_opts) if flag.startswith("--")}
    return EVERY_COMMAND.union(own, *(flags_of(each) for each in getattr(command, "commands", {}).values()))


def _flags_of_module(module: str) -> frozenset[str]:
    """Options of the commands that a module of ``cli/commands`` adds."""
    app = typer.Typer()
    app.callback()(lambda: None)
    importlib.import_module(module).add_to(app)
    return flags_of(typer.main.get_command(app))


@cache
def options_by_module() -> dict[str, set[str]]:
    """Module -> options of the commands that import it, directly or not."""
    roots: dict[str, frozenset[str]] = {}
    for package in ("reaudio_eval", "reaudio_model"):
        folder = importlib.import_module(f"{package}.cli.commands")
        for info in pkgutil.iter_modules(folder.__path__, folder.__name__ + "."):
            if hasattr(importlib.import_module(info.name), "add_to"):
                roots[info.name] = _flags_of_module(info.name)
    for evaluation in find_evaluations():
        fields = [flag for f in option_fields(evaluation.request) for flag in (f.flag, *f.option.flag.split())]
        own = {each for flag in fields for each in flag.split("/") if each.startswith("--")}
        own |= {"--config", "--json", "--quiet", "--dry-run", "--help-all"}
        roots[evaluation.steps] = EVERY_COMMAND | own
        roots[evaluation.request.__module__] = EVERY_COMMAND | own
    found: dict[str, set[str]] = {}
    for module, flags in roots.items():
        for reached in code_closure(module):
            found.setdefault(reached, set()).update(flags)
    return found


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every literal of a file that is no docstring; the parts of an f-string are one text."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    inside = {id(part) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for part in ast.walk(n) if part is not n}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            constants = (part.value for part in node.values if isinstance(part, ast.Constant))
            yield node.lineno, " ".join(map(str, constants))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | inside:
            yield node.lineno, node.value


@cache
def options_of_programs() -> dict[str, frozenset[str]]:
    return {name: flags_of(typer.main.get_command(app)) for name, app in APPS.items()}


def allowed(module: str, text: str) -> set[str]:
    """Options that a message of a module may name: those of the commands that can say it, and of programs that it names."""
    whole = options_of_programs()
    own = whole["reaudio-eval" if module.startswith("reaudio_eval") else "reaudio-model"]
    found = set(options_by_module().get(module, own))
    for program, flags in {**whole, **OTHER_PROGRAMS}.items():
        if program in text:
            found |= flags
    return found


@pytest.mark.slow
def test_options_in_messages_exist_where_they_are_said() -> None:
    wrong = []
    for path in (p for p in SOURCES if str(p.relative_to(ROOT)) not in NO_MESSAGES):
        for line, text in messages(path) if "--" in path.read_text(encoding="utf-8") else ():
            named = set(OPTION.findall(text)) if " " in text.strip() else set()
            if named and not named <= allowed(module_name(path), text):
                wrong.append(
                    f"{path.relative_to(ROOT)}:{line}: {', '.join(sorted(named - allowed(module_name(path), text)))}"
                )
    assert not wrong, "\n".join(wrong)
