"""The import closure: what it follows, and that its hash changes with every file of it and no other."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from reaudio_model.common.code import code_closure, code_packages, code_sha256
from reaudio_model.common.errors import ReaudioError

FILES = {
    "__init__.py": "from toy import at_top\n\ndef lazy():\n    from toy import never\n",
    "root.py": "import numpy\nfrom toy.inner import used\nfrom . import beside\n\ndef f():\n    import toy.late\n",
    "at_top.py": "",
    "never.py": "",
    "beside.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toy import only_types\nnothing = 1\n",
    "only_types.py": "",
    "late.py": "import helper_of_toy\n",
    "inner/__init__.py": "",
    "inner/used.py": "from ..beside import nothing\n",
    "inner/unused.py": "",
}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package ``toy`` on the path, and beside it a module that is not part of it."""
    for name, text in FILES.items():
        path = tmp_path / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "helper_of_toy.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [each for each in sys.modules if each.partition(".")[0] == "toy"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path / "toy"


def test_follows_imports_of_all_forms_and_leaves_out_what_is_not_run(toy: Path) -> None:
    names = set(code_closure("toy.root"))
    assert names == {
        "toy", "toy.root", "toy.at_top", "toy.inner", "toy.inner.used", "toy.beside", "toy.late", "helper_of_toy",
    }  # fmt: skip


def test_functions_of_a_named_package_are_followed(toy: Path) -> None:
    assert "toy.never" in code_closure("toy")


def test_an_imported_module_is_followed_as_its_name_is(toy: Path) -> None:
    (toy / "root.py").write_text("from toy.inner import used\n")
    importlib.invalidate_caches()
    assert code_closure(importlib.import_module("toy.root")) == code_closure("toy.root")


@pytest.mark.parametrize("name", ["root.py", "late.py", "inner/used.py", "inner/__init__.py", "../helper_of_toy.py"])
def test_hash_changes_with_each_file_of_the_closure(toy: Path, name: str) -> None:
    before = code_sha256("toy.root")
    (toy / name).write_text((toy / name).read_text() + "Y = 2\n")
    assert code_sha256("toy.root") != before


@pytest.mark.parametrize("name", ["never.py", "only_types.py", "inner/unused.py"])
def test_hash_does_not_change_with_other_files(toy: Path, name: str) -> None:
    before = code_sha256("toy.root")
    (toy / name).write_text("Y = 2\n")
    assert code_sha256("toy.root") == before


def test_packages_are_those_imported_and_computing(toy: Path) -> None:
    assert code_packages("toy.root") == {"numpy": version("numpy")}


def test_closure_equals_what_python_loads() -> None:
    """The modules that importing the waveform path loads are all in its closure."""
    import subprocess

    code = "import sys, reaudio_eval.features.waveform; print(*[m for m in sys.modules if m.startswith('reaudio_')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= set(code_closure("reaudio_eval.features.waveform"))


def test_errors_name_the_file(toy: Path) -> None:
    (toy / "late.py").write_text("def broken(:\n")
    with pytest.raises(ReaudioError, match=r"late\.py is not Python"):
        code_sha256("toy.root")
    with pytest.raises(ReaudioError, match=r"source of the module toy\.absent was not found"):
        code_sha256("toy.absent")
