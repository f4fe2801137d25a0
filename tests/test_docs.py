"""README and documentation: their Python runs, their commands exist, what they state of the sources holds."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import synthesise
import typer
from typer.core import TyperGroup

import reaudio_eval
from reaudio_eval.cli.app import make_app
from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.longtail import sections
from reaudio_model.cli.app import app as model_app

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/pypi.md",
    *(f"docs/pages/{p.name}" for p in (ROOT / "docs/pages").glob("*.md")),
)
SLOW = (
    "README.md",
    "docs/pypi.md",
    *(f"docs/pages/{name}.md" for name in ("getting-started", "audiocaps", "extending")),
)  # whole reports
BLOCK = re.compile(r'(<!-- not run: [^>]+ -->\n)?^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of a page. line: of the page, before the text."""

    not_run: bool
    language: str
    title: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    page_text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(bool(m[1]), m[2], m[3] or "", m[4], page_text.count("\n", 0, m.start(4))) for m in BLOCK.finditer(page_text)
    ]


def execute(page: str, block: Block, namespace: dict[str, Any]) -> None:
    """Run a block; tracebacks name the line of the page."""
    exec(compile("\n" * block.line + block.text, ROOT / page, "exec"), namespace)


def with_python(pages: tuple[str, ...]) -> list[Any]:
    return [
        pytest.param(page, marks=[pytest.mark.slow] if page in SLOW else [])
        for page in pages
        if any(block.language == "python" for block in blocks(page))
    ]


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the names that the pages use: small synthesised data and a tagger with random weights."""
    synthesise.write_dataset(tmp_path / "mydata", takes=2)
    for name, folder in (("generated", "good"), ("reference", "reference")):
        (tmp_path / name).symlink_to(tmp_path / "mydata" / folder)
    synthesise.write_random_tagger(tmp_path / "tagger.safetensors")
    (tmp_path / "bands.bin").write_bytes(b"no weights")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REAUDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    return tmp_path


@pytest.fixture
def request_only(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Evaluations stop at their request, so that its options are checked without the data."""
    requests: list[Any] = []
    monkeypatch.setattr(Evaluation, "execute", lambda self, request, reporter: requests.append(request))
    return requests


@pytest.mark.parametrize("page", with_python(PAGES))
@pytest.mark.usefixtures("no_figures")
def test_python_of_a_page_runs(page: str, stand_ins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(stand_ins / "reaudio_eval/evaluations/longtail/sections")
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, folder])  # as if it were the folder of the package
    namespace: dict[str, Any] = {}
    for block in blocks(page):
        if block.title:
            path = stand_ins / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "python" and not block.not_run:
            execute(page, block, namespace)


def test_python_that_is_not_run_has_existing_options(stand_ins: Path, request_only: list[Any]) -> None:
    shown = [(page, block) for page in PAGES for block in blocks(page) if block.not_run and block.language == "python"]
    for page, block in shown:
        execute(page, block, {})
    assert len(request_only) == len(shown) > 0


def command_lines() -> dict[str, bool]:
    """Command lines of the two programs: True for a whole one in a block, False for a part of one in the text."""
    lines: dict[str, bool] = {}
    for page in PAGES:
        prose = BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))
        lines |= dict.fromkeys(re.findall(r"`(reaudio-(?:eval|model) [a-z][^`]*)`", prose), False)
        for block in blocks(page):
            text = block.text.replace("\\\n", " ") if block.language == "sh" else ""
            lines |= dict.fromkeys(re.findall(r"^(?:[A-Z_]+=\S+ )?(reaudio-(?:eval|model) .+)$", text, re.MULTILINE), True)
    return lines


@cache
def programs() -> dict[str, Any]:
    return {"reaudio-eval": typer.main.get_command(make_app()), "reaudio-model": typer.main.get_command(model_app)}


def check(line: str, whole: bool = True) -> None:
    """The command exists and has the options of ``line``; a whole line also has every argument that the command needs."""
    program, *words = shlex.split(line, comments=True)
    command = programs()[program]
    while isinstance(command, TyperGroup) and words:
        assert words[0] in command.commands, f"no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    options = {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)}
    for word in words:
        assert not re.match(r"--?[a-z]", word) or word in options, f"{command.name} has no option {word}"
    if whole:
        command.make_context(command.name, words)


@pytest.mark.parametrize(("line", "whole"), list(command_lines().items()))
def test_commands_exist_with_their_options(line: str, whole: bool) -> None:
    check(line, whole)


@pytest.mark.parametrize("line", ["reaudio-eval longtial", "reaudio-eval longtail --modle x", "reaudio-model index bild"])
def test_a_wrong_command_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        check(line)


def test_every_evaluation_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, command in programs()["reaudio-eval"].commands.items():
        for full in [f"{name} {sub}" for sub in command.commands] if isinstance(command, TyperGroup) else [name]:
            assert f"`reaudio-eval {full}`" in text


def test_readme_is_short_and_quotes_no_test() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 180
    assert not re.search(r"\b[pq] ?[<=] ?0?\.\d", text)


def test_steps_of_the_denoisers_are_as_stated() -> None:
    manifest = json.loads((ROOT / "reaudio_model/miniature/weights/manifest.json").read_text(encoding="utf-8"))
    steps = {name: run["config"]["loop"]["steps"] for name, run in manifest["training"].items()}
    names = {m: re.compile(rf"re-audioldm-{m}(-follow|-more)?") for m in ("s-none", "s-audio", "s", "l")}
    total = {m: sum(n for run, n in steps.items() if name.fullmatch(run)) for m, name in names.items()}
    assert total.pop("s-none") == 5250
    assert (min(total.values()), max(total.values())) == (6218, 7460)
    sentence = "differ in optimizer steps (5,250 without retrieval, 6,218 to 7,460 with)"
    for page in ("README.md", "docs/pages/miniature.md"):
        assert sentence in " ".join((ROOT / page).read_text(encoding="utf-8").split())


def test_links_of_the_readme_resolve() -> None:
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
            assert target.startswith("https://") or (ROOT / target).exists(), f"{page}: {target}"


def load(name: str) -> types.ModuleType:
    """A module of ``docs/``."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_file_tree_has_a_line_for_every_module() -> None:
    pytest.importorskip("mkdocs", reason="needs the extra docs: make docs")
    tree = load("hooks").file_tree()
    for package in ("reaudio_eval", "reaudio_model"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name not in ("__main__.py", "__init__.py"):
                assert re.search(rf"\| `{path.name}` \| \S", tree), f"{path} has no docstring"


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "docs/pages/notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nbclient", reason="needs the extra docs: make docs")
    notebooks = load("notebooks")
    monkeypatch.setenv("REAUDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, *sys.path))))
    kept, made = json.loads(path.read_text(encoding="utf-8")), notebooks.execute(path, tmp_path)
    for before, after in zip(kept["cells"], made["cells"], strict=True):
        kinds = [[output["output_type"] for output in cell.get("outputs", [])] for cell in (before, after)]
        assert kinds[0] == kinds[1], "outputs are out of date: run python docs/notebooks.py"


def test_the_version_is_in_the_changelog() -> None:
    assert reaudio_eval.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
