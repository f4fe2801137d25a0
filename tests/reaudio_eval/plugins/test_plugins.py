"""Names come from files; listing imports nothing; one file adds a thing."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

import reaudio_eval
from reaudio_eval import plugins
from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.base import find_evaluations
from reaudio_eval.scores.binding import choose
from reaudio_model.common.code import code_sha256
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
    assert plugins.load("metrics", "mine") == ()


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
    assert plugins.entries("models")["broken"].description.startswith("(broken: it is not Python: ")


@pytest.mark.slow
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
        '"""Mine."""\nfrom reaudio_eval.clips.models.real import PLUGIN\n'
        'VARIANTS: dict[str, str] = {"": "plain", "x-large": "big"}\n',
        encoding="utf-8",
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


def write(folder: Path, place: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(folder))


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (
            "models",
            "PLUGIN = 3",
            r"bad\.py needs PLUGIN, an instance of a subclass of reaudio_eval\.clips\.models\.ModelPlugin\.$",
        ),
        ("datasets", "def load(options): ...", r"needs PLUGIN, .* of reaudio_eval\.prompts\.datasets\.DatasetPlugin\.$"),
        ("embedders", "", r"needs PLUGIN, .* of reaudio_eval\.features\.embedders\.EmbedderPlugin\.$"),
        ("metrics", "METRICS = (1,)", r"needs METRICS, a tuple of definitions of reaudio_eval\.scores\.metrics"),
        ("metrics", "", r"needs METRICS"),
        (
            "metrics",
            "import not_there\nMETRICS = ()",
            r"bad\.py cannot be imported: No module named .not_there. \(line 1\)\.$",
        ),
        (
            "models",
            "from reaudio_eval.clips.models import ModelPlugin\nclass M(ModelPlugin): ...\nPLUGIN = M()",
            r"cannot be imported: .* abstract .*clips",
        ),
    ],
)
def test_an_incomplete_file_is_refused_in_one_sentence(
    kind: str, text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, f"{kind}/bad.py", text, monkeypatch)
    with pytest.raises(ReaudioError, match=message):
        plugins.load(kind, "bad")  # type: ignore[call-overload]


def test_every_bundled_plugin_is_complete() -> None:
    assert all(plugins.load("models", name) for name in plugins.entries("models"))
    assert all(plugins.load("datasets", name) for name in plugins.entries("datasets"))
    assert all(plugins.load("embedders", name).spec for name in plugins.entries("embedders"))
    assert all(plugins.load("metrics", name) for name in plugins.entries("metrics"))


def test_an_evaluation_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '"""A toy evaluation."""\nfrom . import page\nfrom reaudio_eval_plugins.evaluations.toy.page import TITLE\nEVALUATIONS = ()\n'
    write(tmp_path, "evaluations/toy/__init__.py", text, monkeypatch)
    write(tmp_path, "evaluations/toy/page.py", 'TITLE = "Toy"\n', monkeypatch)
    write(tmp_path, "evaluations/_private/__init__.py", "", monkeypatch)
    write(tmp_path, "evaluations/base.py", "", monkeypatch)
    entries = plugins.entries("evaluations")
    assert entries["toy"].description == "A toy evaluation."
    assert {"longtail", "zeroshot", "sweep", "compare", "listening", "toy"} <= set(entries)
    assert not {"base", "_private", "private"} & set(entries)
    module = plugins.load("evaluations", "toy")
    assert module.TITLE == module.page.TITLE == "Toy"
    assert plugins.load("evaluations", "longtail").__name__ == "reaudio_eval.evaluations.longtail"


def test_an_evaluation_of_the_same_name_in_another_folder_has_its_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, "evaluations/same/__init__.py", "from .page import TITLE\nEVALUATIONS = ()\n", monkeypatch)
        write(tmp_path / name, "evaluations/same/page.py", f"TITLE = {name!r}\n", monkeypatch)
        assert name == plugins.load("evaluations", "same").TITLE


def test_an_entry_point_names_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(group: str) -> list[EntryPoint]:
        value = {"reaudio_eval.models": "reaudio_eval.clips.models.real", "reaudio_eval.metrics": "json:dumps"}.get(group)
        return [EntryPoint("theirs", value, group)] if value else []

    monkeypatch.setattr(plugins, "entry_points", points)
    assert plugins.load("models", "theirs").kind == "real"
    with pytest.raises(ReaudioError, match="must name a module"):
        plugins.load("metrics", "theirs")


# What a plug-in file may hold -> what is said of it.
BROKEN = {
    "syntax": (b"def f(:\n", "it is not Python: invalid syntax"),
    "not UTF-8": (b'"""caf\xe9"""\nPLUGIN = METRICS = EVALUATIONS = ()\n', "it is not Python: .*utf-8"),
    "null bytes": (b"PLUGIN = METRICS = EVALUATIONS = ()\0", "it is not Python: .*null bytes"),
    "empty": (b"", "it needs (PLUGIN|METRICS|EVALUATIONS), an? "),
    "computed VARIANTS": (
        b"VARIANTS = dict(a='b')\nPLUGIN = METRICS = EVALUATIONS = ()\n",
        "its VARIANTS is not a literal dict of texts",
    ),
    "numbers as VARIANTS": (
        b"VARIANTS = {1: 2}\nPLUGIN = METRICS = EVALUATIONS = ()\n",
        "its VARIANTS is not a literal dict of texts",
    ),
}
# Faults that show only when the file is imported.
FAILING = {
    "exit": (b"PLUGIN = METRICS = EVALUATIONS = ()\nraise SystemExit(3)\n", "ends the program with the code 3"),
    "error": (b"PLUGIN = METRICS = EVALUATIONS = 1 / 0\n", r"ZeroDivisionError division by zero \(line 1\)"),
    "return": (b"PLUGIN = METRICS = EVALUATIONS = ()\nreturn\n", "'return' outside function"),
}


def broken_file(kind: str, folder: Path, source: bytes) -> Path:
    path = folder / kind / ("odd/__init__.py" if kind == "evaluations" else "odd.py")
    path.parent.mkdir(parents=True)
    path.write_bytes(source)
    return path


@pytest.mark.parametrize("case", [*BROKEN, *FAILING])
@pytest.mark.parametrize("kind", plugins.KINDS)
def test_a_broken_file_disturbs_nothing_and_is_refused_in_one_sentence(
    kind: str, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, fault = {**BROKEN, **FAILING}[case]
    path = broken_file(kind, tmp_path, source)
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path))
    listed = CliRunner().invoke(app, ["list", kind])
    assert listed.exit_code == 0
    (line,) = [line for line in listed.stdout.splitlines() if line.startswith("odd ")]
    assert (case in FAILING) or re.search(rf"\(broken: {fault}", line)
    with pytest.raises(
        ReaudioError, match=rf"^The plug-in {re.escape(str(path))} cannot be (used|imported): .*{fault}.*\.$"
    ):
        plugins.load_module(kind, "odd")
    assert "longtail" in {e.name for e in find_evaluations()}
    assert plugins.load("models", "real")
    assert "kl" in plugins.usable("metrics")
    assert "odd" not in plugins.usable("metrics")


def test_a_broken_metric_is_left_out_with_a_line_and_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_file("metrics", tmp_path, b"def f(:\n")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path))
    assert choose((), None) == ()
    plugins.usable("metrics")
    assert "The metric 'odd' is left out: The plug-in" in capsys.readouterr().err
    with pytest.raises(ReaudioError, match=r"odd\.py cannot be used: it is not Python"):
        choose((), ["odd"])


def test_an_evaluation_with_the_folder_name_of_another_leaves_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "evaluations/longtail/__init__.py", "EVALUATIONS = ()\n", monkeypatch)
    assert "longtail" in {e.name for e in find_evaluations()}
    assert "is left out: there is another evaluation of the name 'longtail'" in capsys.readouterr().err


def test_an_embedder_without_a_spec_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = "from reaudio_eval.features.embedders import EmbedderPlugin\nclass P(EmbedderPlugin):\n    def load(self, *a, **k): ...\n"
    write(tmp_path, "embedders/odd.py", f"{start}    spec = 3\nPLUGIN = P()\n", monkeypatch)
    with pytest.raises(ReaudioError, match=r"odd\.py needs PLUGIN\.spec, an instance of .*EmbedderSpec\.$"):
        plugins.load("embedders", "odd")
    write(
        tmp_path,
        "embedders/odd.py",
        f"{start}    @property\n    def spec(self): return {{}}['a']\nPLUGIN = P()\n",
        monkeypatch,
    )
    with pytest.raises(ReaudioError, match=r"odd\.py has no readable spec: KeyError 'a' \(line 5\)\.$"):
        plugins.load("embedders", "odd")


def test_an_edited_file_is_imported_anew_even_within_a_second_and_at_the_same_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (1, 2, 3):
        write(tmp_path, "metrics/mine.py", f"METRICS = ()\nVALUE = {value}\n", monkeypatch)
        assert value == plugins.load_module("metrics", "mine").VALUE
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_model_and_a_dataset_that_fail_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        "models/odd.py",
        "from reaudio_eval.clips.models import ModelPlugin\nclass M(ModelPlugin):\n    kind = 'generated'\n"
        "    def clips(self, request): return {}['a']\nPLUGIN = M()\n",
        monkeypatch,
    )
    write(
        tmp_path,
        "datasets/odd.py",
        "from reaudio_eval.prompts.datasets import DatasetPlugin\nclass D(DatasetPlugin):\n"
        "    def load(self, options): raise SystemExit('no')\nPLUGIN = D()\n",
        monkeypatch,
    )
    with pytest.raises(
        ReaudioError, match=r"^The dataset odd \(.*odd\.py\) cannot be loaded: it ends the program with the code no"
    ):
        reaudio_eval.longtail(dataset="odd", models="odd", output=tmp_path / "out")
    with pytest.raises(ReaudioError, match=r"^The model odd \(.*odd\.py\) fails: KeyError 'a' \(line 4\)\.$"):
        reaudio_eval.longtail(
            dataset="miniature", models="odd", limit=4, output=tmp_path / "out", real=False, noise=False, baselines="none"
        )


def test_the_code_of_plugins_in_use_has_an_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for value in (1, 2):
        write(tmp_path, "metrics/mine.py", f"METRICS = ()\nVALUE = {value}\n", monkeypatch)
        found.add(code_sha256(*plugins.modules("metrics", ["kl", "mine"])))
    assert len(found) == 2
