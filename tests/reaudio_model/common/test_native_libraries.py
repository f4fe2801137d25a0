"""Importing packages whose native libraries do not fit torch."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import reaudio_model
import torchaudio, torchvision
align = torchaudio._extension.fail_if_no_align(len)
print(torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE, align([1]), torchvision.loaded)
"""


def install(folder: Path, name: str, module: str, code: str) -> None:
    """A package that imports its module with the native library, then goes on."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(f"from . import {module}\nloaded = True\n")
    (folder / name / f"{module}.py").write_text(code)


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    path = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    return subprocess.run([sys.executable, "-c", path + program], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("error", ["OSError('libcudart.so.13')", "RuntimeError('CUDA 13.2 and 13.0')"])
def test_packages_of_another_build_are_imported_without_their_libraries(tmp_path: Path, error: str) -> None:
    install(tmp_path, "torchvision", "_meta_registrations", "raise RuntimeError('operator torchvision::nms does not exist')")
    install(tmp_path, "torchaudio", "_extension", f"raise {error}")
    done = run(tmp_path, PROGRAM)
    assert done.stdout.split() == ["False", "1", "True"], done.stderr
    refused = run(tmp_path, "import torchvision")  # what happens without it
    assert "operator torchvision::nms does not exist" in refused.stderr


def test_packages_that_fit_are_not_changed(tmp_path: Path) -> None:
    install(tmp_path, "torchvision", "_meta_registrations", "")
    install(tmp_path, "torchaudio", "_extension", "_IS_TORCHAUDIO_EXT_AVAILABLE = True\ndef fail_if_no_align(f): return abs")
    done = run(tmp_path, PROGRAM.replace("[1]", "-3"))
    assert done.stdout.split() == ["True", "3", "True"], done.stderr


def test_other_errors_of_these_modules_are_not_hidden(tmp_path: Path) -> None:
    install(tmp_path, "torchaudio", "_extension", "import a_module_that_is_not_there")
    assert "a_module_that_is_not_there" in run(tmp_path, PROGRAM).stderr
