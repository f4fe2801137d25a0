"""The command line itself: help, names, exit codes, and the public Python names. Each command's work is tested with its module."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import reaudio_eval
from reaudio_eval.cli.app import app
from reaudio_eval.evaluations import options
from reaudio_eval.features import protocols
from reaudio_model.common.errors import ReaudioError

pytestmark = pytest.mark.usefixtures("no_figures")

runner = CliRunner()
COMMANDS = (
    ["longtail"], ["zeroshot"], ["sweep"], ["score"], ["report"], ["compare"], ["list"], ["doctor"], ["data", "stats"],
    ["data", "prompts"], ["plot", "per-class"], ["listening", "export"], ["listening", "analyse"],
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command_shows_an_example(command: list[str]) -> None:
    result = runner.invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Example: reaudio-eval" in result.stdout


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_unknown_option_is_a_usage_error(command: list[str]) -> None:
    assert runner.invoke(app, [*command, "--no-such-option"]).exit_code == 2


def test_version() -> None:
    assert runner.invoke(app, ["--version"]).stdout.strip() == reaudio_eval.__version__


@pytest.mark.parametrize("what", ["models", "datasets", "embedders", "metrics", "evaluations", "protocols"])
def test_list_as_json(what: str) -> None:
    rows = json.loads(runner.invoke(app, ["list", what, "--json"]).stdout)
    assert not any("``" in row["description"] for row in rows)
    assert rows
    assert all(row["name"] and row["description"] for row in rows)


def test_list_of_embedders_has_the_licences_of_the_weights() -> None:
    rows = {row["name"]: row["licences"] for row in json.loads(runner.invoke(app, ["list", "embedders", "--json"]).stdout)}
    assert (rows["clap"], rows["panns"], rows["miniature_clap"]) == (["CC0"], ["CC BY 4.0"], [])
    text = runner.invoke(app, ["list", "embedders"]).stdout
    assert "527 logits. Weights: Apache-2.0." in text
    assert "Weights" not in next(line for line in text.splitlines() if line.startswith("miniature_clap"))


def test_list_suggests() -> None:
    result = runner.invoke(app, ["list", "metric"])
    assert result.exit_code == 2
    assert "Did you mean 'metrics'" in result.stderr


def test_default_protocol_is_that_of_the_library() -> None:
    assert options.DEFAULT_PROTOCOL == protocols.DEFAULT_PROTOCOL


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom reaudio_eval.cli.app import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "assert not {'torch', 'pandas', 'numpy', 'scipy', 'matplotlib', 'pydantic', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_module_runs_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reaudio_eval", "--version"], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == reaudio_eval.__version__


@pytest.mark.parametrize("name", dir(reaudio_eval))
def test_public_names_exist_whatever_was_imported_before(name: str) -> None:
    import reaudio_eval.evaluations.longtail.rerender  # imports the modules behind most names

    assert getattr(reaudio_eval, name) is not None
    assert not isinstance(getattr(reaudio_eval, name), type(sys)), f"{name} is a module"


def test_functions_show_their_options() -> None:
    signature = inspect.signature(reaudio_eval.compare)
    assert list(signature.parameters)[:3] == ["runs", "baseline", "systems"]
    assert signature.parameters["common"].default is False
    assert {"longtail", "LongtailRequest", "plot_per_class", "ReaudioError"} <= set(dir(reaudio_eval))


def test_an_option_that_does_not_exist_is_named() -> None:
    with pytest.raises(ReaudioError, match=r"Unknown option 'dataste'\. Did you mean 'dataset'"):
        reaudio_eval.longtail(dataste="miniature")


def test_a_misspelt_device_is_refused_before_any_work() -> None:
    with pytest.raises(ReaudioError, match="--device cud is not a device: use cpu, cuda or cuda:N"):
        reaudio_eval.longtail(models="noise", device="cud")


def test_too_many_positional_arguments() -> None:
    with pytest.raises(TypeError, match=r"score\(\) takes 2 positional arguments, 3 were given"):
        reaudio_eval.score("a", "b", "c")


def test_import_of_all_names() -> None:
    names: dict[str, object] = {}
    exec("from reaudio_eval import *", names)
    assert {"longtail", "compare", "SweepRequest", "read_run", "ReaudioError"} <= set(names)
    assert not {"importlib", "plugins", "Any"} & set(names)
    assert not hasattr(reaudio_eval, "a.b")


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'scored'"):
        _ = reaudio_eval.scored


@pytest.mark.slow
def test_data_stats_on_the_real_labels(shared: Path, tmp_path: Path) -> None:
    arguments = ["data", "stats", "--dataset", "audiocaps", "--data-root", str(shared / "data" / "audiocaps")]
    result = runner.invoke(app, [*arguments, "--json", "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "326" in result.stdout
    assert {p.name for p in tmp_path.iterdir()} == {"labels.csv", *(f"label_histogram.{s}" for s in ("svg", "pdf", "png"))}
    assert "Speech" in runner.invoke(app, arguments).stdout


def test_data_stats_without_data(tmp_path: Path) -> None:
    result = runner.invoke(app, ["data", "stats", "--data-root", str(tmp_path)])
    assert result.exit_code == 2
    assert str(tmp_path) in result.stderr
