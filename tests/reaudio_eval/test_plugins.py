"""Names come from files; listing imports nothing; one file adds a thing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reaudio_eval import plugins
from reaudio_model.common.errors import ReaudioError, UnknownNameError


def test_every_bundled_module_is_listed_with_a_description() -> None:
    for kind in plugins.KINDS:
        for entry in plugins.entries(kind).values():
            assert entry.description, f"{kind}/{entry.name} has no docstring"
            assert entry.origin == "reaudio-eval"


def test_private_modules_are_not_registered() -> None:
    assert not any(name.startswith("_") for kind in plugins.KINDS for name in plugins.entries(kind))


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown embedder 'pans'\. Did you mean 'panns'"):
        plugins.load("embedders", "pans")


def test_hyphens_read_as_underscores() -> None:
    assert plugins.load("metrics", "clap-score") is plugins.load("metrics", "clap_score")


def test_unknown_kind_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'metrics'"):
        plugins.entries("metric")


def test_plugin_folder_adds_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "mine.py").write_text('"""My metric."""\nMETRICS = ()\n', encoding="utf-8")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path))
    assert plugins.entries("metrics")["mine"].description == "My metric."
    assert plugins.load("metrics", "mine").METRICS == ()


def test_two_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "kl.py").write_text('"""Another."""\n', encoding="utf-8")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path))
    with pytest.raises(ReaudioError, match="Two metrics are called 'kl'"):
        plugins.entries("metrics")


def test_a_broken_plugin_is_listed_with_its_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "broken.py").write_text("def f(:\n", encoding="utf-8")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path))
    assert "cannot be read" in plugins.entries("models")["broken"].description


@pytest.mark.parametrize("what", ["models", "datasets", "embedders", "metrics", "protocols"])
def test_listing_imports_no_torch(what: str) -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom reaudio_eval.cli.app import app\n"
        f"assert CliRunner().invoke(app, ['list', '{what}']).exit_code == 0\n"
        "assert not {'torch', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_file_with_variants_is_several_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "my_model.py").write_text(
        '"""Mine."""\nKIND = "generated"\nVARIANTS: dict[str, str] = {"": "plain", "x-large": "big"}\n', encoding="utf-8"
    )
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path))
    table = plugins.entries("models")
    assert table["my_model"].description == "plain"
    assert table["my_model_x_large"].description == "big"
    assert plugins.find("models", "my-model-x-large").variant == "x-large"
    assert plugins.load("models", "my-model-x-large") is plugins.load("models", "my-model")


def test_models_are_named_as_papers_name_them() -> None:
    assert plugins.find("models", "re-audioldm-l").variant == "l"
    with pytest.raises(UnknownNameError, match=r"Unknown model 're-audioldm-m'\. Did you mean 're-audioldm-"):
        plugins.load("models", "re-audioldm-m")
