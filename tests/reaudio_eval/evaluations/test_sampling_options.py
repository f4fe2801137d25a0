"""Sampling options reach the models, are recorded as resolved, and are refused where nothing uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reaudio_eval import plugins
from reaudio_eval.cli.app import app
from reaudio_eval.clips.collect import SystemRequest
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.evaluations.checks import check_index, check_sampling
from reaudio_eval.evaluations.longtail.request import LongtailRequest
from reaudio_eval.evaluations.planning import plan_scoring
from reaudio_eval.evaluations.sweep import run as sweep_run
from reaudio_eval.evaluations.sweep.request import SweepRequest
from reaudio_eval.evaluations.zeroshot.request import ZeroshotRequest
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import command_line, option_fields
from reaudio_model.common.progress import Reporter

runner = CliRunner()
QUIET = Reporter(quiet=True)
# A value of each sampling option that is not its default; those of a cell of a sweep are the factors.
OTHER: dict[str, Any] = {
    "steps": 2, "guidance": 1.5, "k": 2, "retrieval": "audio", "candidates": 2, "scheduler": "ddim", "eta": 1.0, "dtype": "bfloat16",
    "key": "text", "pool": "all", "exclude": ("caption",), "exclude_text_from": 0.9, "seeds": 3, "peak": 0.5,
}  # fmt: skip


def test_every_sampling_option_has_a_value_here() -> None:
    assert OTHER.keys() == {field.name for field in option_fields(Sampling)} - {"paper_protocol"}


@pytest.mark.parametrize("kind", [LongtailRequest, ZeroshotRequest])
def test_every_option_arrives_in_the_plan(kind: type[LongtailRequest]) -> None:
    request = kind.of({"models": "re-audioldm-l", "limit": 2, **OTHER})
    assert plan_scoring(request, QUIET).sampling.options() == OTHER | {"paper_protocol": False}


def test_every_option_arrives_in_each_cell_of_a_sweep() -> None:
    """An option that is no factor was lost between the request and the cells."""
    request = SweepRequest.of({"model": "re-audioldm-l", "over": {"k": [0, 2]}, "sample": 2, **OTHER})
    plan = sweep_run.plan(request, QUIET)
    found = {cell.settings.k: sweep_run._system_request(plan, cell) for cell in plan.cells}
    assert found[2].sampling is not None
    assert found[2].sampling.options() == OTHER | {"paper_protocol": False}
    assert found[0].sampling is not None
    searched = {"key", "pool", "exclude", "exclude_text_from"}
    expected = {name: value for name, value in OTHER.items() if name not in searched}
    assert found[0].sampling.plain() == expected | {"k": 0, "retrieval": "none"}


def test_weights_and_index_arrive_in_the_cells_of_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``sweep --weights`` said that there are no weights and to give --weights."""
    plugin = type(plugins.load("models", "re-audioldm-l"))
    monkeypatch.setattr(plugin, "check", lambda self, dataset, weights, variant, fetch: None)
    monkeypatch.setattr(plugin, "defaults", lambda self, dataset, weights, variant: Sampling(2, 1.0, 2, "audio+text"))
    options = {"weights": {"re-audioldm-l": tmp_path}, "index": tmp_path / "index", "over": {"k": [1, 2]}, "sample": 2}
    plan = sweep_run.plan(SweepRequest.of({"model": "re-audioldm-l", **options}), QUIET)
    asked: SystemRequest = sweep_run._system_request(plan, plan.cells[0])
    assert (asked.weights, asked.index) == (tmp_path, tmp_path / "index")


def test_sweep_with_weights_passes_the_check_of_a_real_dataset(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="saved"):  # the weights given are looked at, and are none
        sweep_run.plan(
            SweepRequest.of(
                {
                    "model": "re-audioldm-s",
                    "dataset": "audiocaps",
                    "weights": {"re-audioldm-s": tmp_path},
                    "over": {"k": [1, 2]},
                }
            ),
            QUIET,
        )


@pytest.mark.parametrize(
    ("options", "models", "words"),
    [
        ({"scheduler": "ddim"}, {}, "--scheduler has no effect: no --model generates"),
        ({"pool": "all"}, {"tango": None}, "--pool has no effect: tango does not use it"),
        ({"k": 2}, {"tango": None, "copy-retrieved": None}, "--k has no effect: tango and copy-retrieved do not use it"),
        ({"dtype": "float16"}, {"copy-retrieved": None}, "--dtype has no effect"),
        ({"key": "text"}, {"oracle-l": None}, "--key has no effect"),
        ({"seeds": 2}, {"copy-retrieved": None}, "--seeds has no effect: copy-retrieved does not use it"),
    ],
)
def test_options_without_effect_are_refused_by_name(
    options: dict[str, Any], models: dict[str, Path | None], words: str
) -> None:
    with pytest.raises(ReaudioError, match=words):
        check_sampling("miniature", Sampling.of(options), models)
    check_sampling("miniature", Sampling.of(options), {**models, "re-audioldm-l": None})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"eta": 1.0}, "--scheduler ddim"),
        ({"k": 0, "pool": "all"}, "nothing is searched"),
        ({"paper_protocol": True, "pool": "train"}, "--paper-protocol sets pool and exclusions"),
        ({"eta": float("nan"), "scheduler": "ddim"}, "--eta must be a number"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ReaudioError, match=words):
        Sampling.of(options)


def test_a_command_line_of_a_request_gives_the_same_request() -> None:
    options = {"models": ("re-audioldm-l",), "real": False, "limit": 3, "checkpoints": {"panns": Path("a b.pth")}, **OTHER}
    request = LongtailRequest.of(options)
    words = command_line(request)
    assert words[words.index("--checkpoint") + 1] == "panns=a b.pth"
    assert "--no-real" in words
    result = runner.invoke(app, ["longtail", *words, "--dry-run", "--checkpoint", "vggish=/nowhere"])
    assert "vggish=/nowhere" in result.stderr or "a b.pth" in result.stderr  # every option was understood


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_what_was_resolved_is_in_run_page_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAUDIO_CACHE", str(tmp_path / "cache"))
    words = [
        "longtail", "--model", "re-audioldm-s", "--limit", "2", "--steps", "1", "--scheduler", "ddim", "--eta", "1", "--paper-protocol",
        "--baselines", "none", "--no-noise", "--metric", "clap_score", "--media", "none", "--json", "--quiet",
        "--output", str(tmp_path / "out"),
    ]  # fmt: skip
    result = runner.invoke(app, words)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    manifest = json.loads((Path(found["runs"][0]) / "manifest.json").read_text(encoding="utf-8"))
    sampling = manifest["sampling"]
    assert {name: sampling[name] for name in ("steps", "scheduler", "eta", "k", "retrieval", "candidates", "seed", "dtype", "device")} == {
        "steps": 1, "scheduler": "ddim", "eta": 1.0, "k": 3, "retrieval": "audio+text", "candidates": 1, "seed": 0, "dtype": "float32",
        "device": "cpu",
    }  # fmt: skip
    assert sampling["guidance_scale"] > 0
    assert sampling["search"]["pool"] == "all"
    assert set(sampling["weights_sha256"]) == {"unet", "vae", "vocoder"}
    assert manifest["system"]["sampling"] == sampling
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "<h3>Sampling</h3>" in page
    assert sampling["weights_sha256"]["unet"] in page
    stored = json.loads((tmp_path / "out" / "longtail.json").read_text(encoding="utf-8"))
    assert next(s for s in stored["systems"] if s["name"] == "re-audioldm-s")["sampling"] == sampling


def test_weights_that_retrieve_need_an_index_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = type(plugins.load("models", "re-audioldm-l"))
    monkeypatch.setattr(plugin, "defaults", lambda self, dataset, weights, variant: Sampling(2, 1.0, 2, "audio+text"))
    with pytest.raises(ReaudioError, match="re-audioldm-l uses retrieved pairs: give --index FOLDER"):
        check_index("audiocaps", "re-audioldm-l", tmp_path, None, Sampling())
    check_index("audiocaps", "re-audioldm-l", tmp_path, tmp_path, Sampling())
    check_index("audiocaps", "re-audioldm-l", tmp_path, None, Sampling(k=0))
