"""The command line: help, exit codes, figures of a preset, options that are passed on, and the path from a table to sound."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from model_command import answer, refusal, run
from training_worlds import arguments, overrides, reset_accelerator, training_world

from reaudio_model.pipeline.generation import Generated
from reaudio_model.pipeline.request import GenerateRequest
from reaudio_model.retrieval.index import Exclusion, RetrievalIndex
from reaudio_model.retrieval.index_search import SearchSettings
from reaudio_model.retrieval.records import Pair
from reaudio_model.training.loop import FitResult

COMMANDS = (
    ["info"],
    ["generate"],
    ["train"],
    ["convert"],
    ["assemble"],
    ["index", "build"],
    ["index", "search"],
    ["index", "stats"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command_shows_an_example(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Example: reaudio-model" in result.stdout


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_unknown_option_is_a_usage_error(command: list[str]) -> None:
    assert run(*command, "--no-such-option").exit_code == 2


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom reaudio_model.cli.app import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['index', 'search', '--help']).exit_code == 0\n"
        "assert not {'torch', 'pandas', 'numpy', 'scipy', 'diffusers', 'transformers', 'yaml'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_module_runs_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reaudio_model", "--version"], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == run("--version").stdout
    assert done.stdout.strip()


@pytest.mark.slow
def test_info() -> None:
    described = answer("info", "tiny", "--retrieval", "audio", "--fusion", "joint", "--k", 2, "--base-channels", 32)
    assert (described["retrieval"], described["fusion"], described["k"]) == ("audio", "joint", 2)
    assert described["base_channels"] == 32
    assert described["parameters"]["unet"] > 0
    assert "retrieval audio+text" in run("info", "tiny").stdout
    assert "Did you mean 're-audioldm-s'" in refusal("info", "re-audioldm-x")
    assert "multiple of" in refusal("info", "re-audioldm-l", "--base-channels", 196)


@pytest.mark.parametrize("part", ["", "clap"])
def test_a_saved_pipeline_is_a_clap(model: Path, world: Path, built: Path, tmp_path: Path, part: str) -> None:
    """The program's own output is accepted as its input: the tokenizer lies beside the network."""
    run(
        "index", "build", world / "table.csv", "--audio-root", world / "audio", "--clap", model / part, "-o", tmp_path / "index",
        "--quiet",
    )  # fmt: skip
    assert RetrievalIndex.load(tmp_path / "index").encoder_sha256 == RetrievalIndex.load(built).encoder_sha256


@pytest.mark.slow
def test_generate_with_an_index(model: Path, built: Path, tmp_path: Path) -> None:
    common = ("generate", "a dog barks", "--model", model, "--index", built, "--steps", 2, "--seconds", 0.3, "--quiet")
    done = answer(*common, "--k", 2, "-o", tmp_path / "dog.wav")
    assert (done["files"], done["made"]) == ([str(tmp_path / "dog.wav")], 1)
    assert soundfile.info(tmp_path / "dog.wav").frames == 4800
    record = json.loads(Path(done["record"]).read_bytes())
    assert len(record["clips"][0]["retrieved"]) == 2
    assert answer(*common, "--k", 2, "-o", tmp_path / "dog.wav")["made"] == 0
    assert "generated differently" in refusal(*common, "--k", 1, "-o", tmp_path / "dog.wav")
    assert "k is 9, but the pool 'train' holds 4 pairs" in refusal(*common, "--k", 9, "-o", tmp_path / "other.wav")


@pytest.mark.slow
def test_generate_passes_every_option_on(
    model: Path, clap_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def generate(request: GenerateRequest, pipeline: Any, **others: Any) -> Generated:
        seen.extend([request, pipeline, others["reranker"]])
        return Generated([tmp_path / "a.wav"], 1, tmp_path / "a.json")

    monkeypatch.setattr("reaudio_model.pipeline.generation.generate_to_files", generate)
    (tmp_path / "p.csv").write_text("clip_id,caption\na,rain\n")
    result = run(
        "generate", "--prompts", tmp_path / "p.csv", "--model", model, "-o", tmp_path, "--index", "i", "--features", "f",
        "--k", 3, "--key", "text", "--pool", "all", "--exclude", "caption", "--exclude-text-from", 0.9, "--seconds", 2,
        "--steps", 7, "--scheduler", "ddim", "--eta", 0.5, "--guidance", 2, "--retrieval-guidance", 4, "--negative-prompt", "n",
        "--candidates", 2, "--reranker", clap_folder, "--seed", 5, "--batch-size", 3, "--dtype", "bfloat16", "--overwrite",
    )  # fmt: skip
    assert result.stdout == f"{tmp_path / 'a.wav'}\n", result.output
    request, pipeline, reranker = seen
    assert request == GenerateRequest(
        [Pair("a", "rain")], tmp_path, Path("i"), Path("f"), 3, None,
        SearchSettings(key="text", pool="all", exclude=Exclusion(False, False, True, 0.9)),
        2.0, 7, 0.5, "ddim", 2.0, 4.0, "n", 2, 5, 3, True,
    )  # fmt: skip
    assert pipeline.unet.dtype is torch.bfloat16
    assert reranker.dim == 16
    seen.clear()
    run("generate", "rain", "--model", model, "-o", tmp_path, "--paper-sampling", "--paper-protocol")
    assert (seen[0].scheduler, seen[0].steps, seen[0].eta, seen[0].search.pool) == ("ddim", 200, 1.0, "all")


@pytest.mark.slow
def test_generate_refuses(model: Path, tmp_path: Path) -> None:
    words = ("generate", "rain", "--model", model, "-o", tmp_path / "x.wav")
    assert "--paper-sampling sets sampler, steps and eta" in refusal(*words, "--paper-sampling", "--steps", 5)
    assert "Give prompts as words" in refusal("generate", "--model", model, "-o", tmp_path)
    assert "is not a saved pipeline" in refusal("generate", "rain", "--model", tmp_path, "-o", tmp_path / "x.wav")
    assert "no index to retrieve from" in refusal(*words, "--k", 2)
    message = refusal("generate", "rain")
    assert message.startswith("reaudio-model: Missing: --model (")
    assert "; --output (A .wav or .flac file for one prompt, or a folder)." in message
    assert "Unknown value of --exclude 'sefl'. Did you mean 'self'" in refusal(*words, "--exclude", "sefl")
    assert "needs a CLAP to choose among them" in refusal(*words, "--candidates", 3)
    assert "This model uses retrieved pairs: give an index (--index FOLDER" in refusal(*words)
    assert "--features are those of an index's pairs: give --index too" in refusal(
        *words, "--features", tmp_path / "nowhere"
    )
    several = ("generate", "rain", "wind", "--model", model, "--k", 0, "-o", tmp_path / "x.flac")
    assert "is one file, but there are 2 prompts: name a folder" in refusal(*several)
    for option in ("--guidance", "--retrieval-guidance", "--eta", "--seconds", "--exclude-text-from"):
        for value in ("nan", "inf"):
            assert f"{option} must be a number, not '{value}'" in refusal(*words, option, value)
    assert not list(tmp_path.iterdir())


def test_train_passes_every_option_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []

    def train(*arguments: Any, **options: Any) -> FitResult:
        options.pop("reporter")
        seen.append((*arguments, options))
        return FitResult(7, finished=len(seen) > 1, best_loss=0.25)

    monkeypatch.setattr("reaudio_model.training.run.train", train)
    common = ("train", "audio-mae", "--config", "mine/small.yaml")
    assert answer(*common) == {"output": "trained/small", "step": 7, "finished": False, "best_loss": 0.25}
    options = ("--no-resume", "--steps", 9, "--set", "a.b=1", "--set", "c=2", "--device", "cpu", "--cache-dir", tmp_path)
    assert "at step 7, finished, best validation loss 0.25" in run(*common, "-o", tmp_path, *options).stdout
    none = {"resume_from": None, "strict": False}
    defaults = {"resume": True, "steps": None, "device": "auto", "overrides": (), "cache_dir": None, **none}
    given = {"resume": False, "steps": 9, "device": "cpu", "overrides": ("a.b=1", "c=2"), "cache_dir": tmp_path, **none}
    run(*common, "--resume-from", 12, "--strict")
    assert (seen.pop()[-1]["resume_from"], seen[0][-1]["strict"]) == (12, False)
    assert seen == [
        ("audio-mae", "mine/small.yaml", Path("trained/small"), defaults),
        ("audio-mae", "mine/small.yaml", tmp_path, given),
    ]


def test_train_refuses(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("part: vae\nloop: {steps: 1}\n")
    assert "c.yaml trains vae, not t5" in refusal("train", "t5", "--config", tmp_path / "c.yaml", "-o", tmp_path / "out")
    assert "none.yaml does not exist" in refusal("train", "t5", "--config", tmp_path / "none.yaml")
    assert "Unknown value of PART 'unet'" in refusal("train", "unet", "--config", tmp_path / "c.yaml")


@pytest.mark.slow
def test_the_path_of_a_researcher(tmp_path: Path) -> None:
    """Index, plan, training, the pipeline that was forgotten, generation: as the documentation writes them."""
    world = training_world(tmp_path / "world")
    settings = [each for each in overrides(world) if not each.startswith(("parts.vocoder", "parts.clap"))]
    train = ("train", "diffusion", "--config", "tiny", *arguments(settings), "-o", tmp_path / "run", "--device", "cpu")
    planned = run(*train, "--dry-run", "--json")
    facts = json.loads(planned.stdout)
    assert (planned.exit_code, facts["problems"]) == (2, ["the checkpoint of clap must be given as parts.clap"])
    assert "cannot start: the checkpoint of clap must be given as parts.clap" in refusal(*train)
    assert not (tmp_path / "run").exists()
    clap = ("--set", f"parts.clap={world / 'clap'}")
    assert run(*train, *clap, "--dry-run").exit_code == 0
    reset_accelerator()
    assert answer(*train, *clap, "--quiet")["finished"]
    reset_accelerator()
    assert answer(*train, *clap, "--set", f"parts.vocoder={world / 'vocoder'}", "--quiet")["step"] == 2
    reset_accelerator()
    assert "--resume-from continues a run" in refusal(*train, *clap, "--no-resume", "--resume-from", 2)
    answer(
        "index", "build", world / "pairs.csv", "--clap", tmp_path / "run/pipeline/clap", "-o", tmp_path / "pool", "--quiet"
    )
    made = answer(
        "generate", "rain", "--model", tmp_path / "run/pipeline", "--index", tmp_path / "pool", "--steps", 1, "--k", 2,
        "-o", tmp_path / "rain.wav", "--quiet",
    )  # fmt: skip
    assert made["made"] == 1
    reset_accelerator()
