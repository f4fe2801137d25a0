"""Published files become a saved pipeline that generates; what is missing is listed at once, and nothing half is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import public_checkpoints as checkpoints
import pytest
import soundfile
import torch
from model_command import answer, refusal, run
from tiny_model import tiny_pairs

from reaudio_model.cli import assemble as assembling
from reaudio_model.common.inference import network_sha256
from reaudio_model.config import TINY_CODEC
from reaudio_model.denoiser.unet import build_unet
from reaudio_model.pipeline.assemble import load_pipeline

TINY = ("--preset", "tiny", "--retrieval", "none", "--head-width", 4)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def audioldm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete AudioLDM in the authors' layout."""
    return checkpoints.write_audioldm(tmp_path_factory.mktemp("audioldm"))


@pytest.fixture(scope="module")
def audioldm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of AudioLDM2 in diffusers' layout, with the authors' AudioMAE in it."""
    return checkpoints.write_audioldm2_rag(tmp_path_factory.mktemp("audioldm2"))


def of_audioldm2(folder: Path) -> list[object]:
    """The options that make a pipeline of retrieval out of it."""
    return [
        "--vae", folder, "--vocoder", folder, "--clap", folder / "text_encoder", "--audio-mae", folder / "audio_mae.pth",
        "--t5", folder / "text_encoder_2", "--unet", folder, "--preset", "tiny", "--base-channels", 8, "--head-width", 4,
        "--set", "model.k=2",
    ]  # fmt: skip


@pytest.mark.slow
def test_one_audioldm_becomes_a_pipeline_that_generates(audioldm: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    done = answer("assemble", "--from", audioldm, "--unet", audioldm, *TINY, "-o", model)
    assert done["parts"]["vae"]["source"] == str(audioldm)
    assert done["parts"]["clap_tokenizer"]["source"] == str(audioldm.parent / "tokenizer")
    pipeline = load_pipeline(model, device=CPU)
    assert pipeline.vae.config.scaling_factor == checkpoints.SCALE
    assert list(pipeline.unet.unet.config.attention_head_dim) == [4, 8]
    state = torch.load(audioldm, weights_only=True)["state_dict"]
    averaged = state["model_ema.diffusion_modelinput_blocks00weight"]
    assert torch.equal(pipeline.unet.unet.conv_in.weight, averaged)
    assert done["parts"]["unet"]["sha256"] == network_sha256(pipeline.unet)
    clip = tmp_path / "clip.wav"
    result = run("generate", "a dog barks", "--model", model, "--steps", 2, "-o", clip, "--device", "cpu")
    assert result.exit_code == 0, result.output
    samples, rate = soundfile.read(clip)
    assert (len(samples), rate) == (TINY_CODEC.n_samples, TINY_CODEC.mel.sample_rate)
    assert samples.std() > 1e-3


@pytest.mark.slow
def test_audioldm2_and_audio_mae_become_a_pipeline_that_retrieves(audioldm2: Path, tmp_path: Path) -> None:
    model, pool, clip = tmp_path / "model", tmp_path / "pool", tmp_path / "clip.wav"
    assert set(answer("assemble", *of_audioldm2(audioldm2), "-o", model)["parts"]) == {
        "vae", "vocoder", "clap", "clap_tokenizer", "audio_mae", "unet", "t5",
    }  # fmt: skip
    pairs = tiny_pairs(tmp_path / "audio")
    rows = "".join(f"{pair.clip_id},{pair.caption},{pair.audio},train\n" for pair in pairs)
    (tmp_path / "train.csv").write_text("clip_id,caption,audio,split\n" + rows)
    built = run("index", "build", tmp_path / "train.csv", "--clap", model, "-o", pool, "--device", "cpu")
    assert built.exit_code == 0, built.output
    result = run("generate", "a dog barks", "--model", model, "--index", pool, "--steps", 2, "-o", clip, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert soundfile.info(clip).frames == TINY_CODEC.n_samples


@pytest.mark.slow
def test_a_denoiser_of_a_training_and_parts_of_a_configuration(audioldm: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    trained = build_unet(checkpoints.AUDIOLDM)
    trained.save_pretrained(tmp_path / "run" / "unet")
    settings = {
        "part": "diffusion", "loop": {"steps": 1}, "model": {"preset": "tiny", "retrieval": "none", "head_width": 4},
        "parts": {"vae": str(audioldm), "vocoder": "nowhere"}, "diffusion": {"prediction": "v_prediction"},
    }  # fmt: skip
    (tmp_path / "run.yaml").write_text(json.dumps(settings))
    common = ["--config", tmp_path / "run.yaml", "--clap", audioldm, "--vocoder", audioldm]
    for number, unet in enumerate((tmp_path / "run", tmp_path / "run" / "unet")):
        answer("assemble", *common, "--unet", unet, "-o", tmp_path / str(number))
        pipeline = load_pipeline(tmp_path / str(number), device=CPU)
        assert network_sha256(pipeline.unet) == network_sha256(trained)
        assert pipeline.scheduler.config.prediction_type == "v_prediction"
    line = refusal("assemble", *common, "--unet", tmp_path / "run", "--head-width", 8, "-o", tmp_path / "x")
    assert "is not one of this model (head_width 4, not 8)" in line
    assert not (tmp_path / "x").exists()


def test_everything_that_is_missing_is_listed_at_once(audioldm: Path, tmp_path: Path) -> None:
    options = ("--vae", tmp_path / "absent.ckpt", "--clap", audioldm, "--t5", "nobody/nothing", "--preset", "tiny")
    line = refusal("assemble", *options, "-o", tmp_path / "model")
    for problem in (
        "absent.ckpt: does not exist",
        "vocoder: give --vocoder, or --from with a complete AudioLDM",
        "audio_mae: give --audio-mae",
        "unet: give --unet",
        "t5 nobody/nothing: is not on this machine: give its folder with --t5",
    ):
        assert problem in line
    listed = run("assemble", *options, "-o", tmp_path / "model", "--dry-run")
    assert listed.exit_code == 2
    lines = dict(each.split(maxsplit=1) for each in listed.stdout.splitlines())
    assert lines["clap"] == str(audioldm)
    assert lines["clap_tokenizer"] == str(audioldm.parent / "tokenizer")
    assert lines["unet"] == "missing: give --unet"
    assert not list(tmp_path.iterdir())


def test_a_tokenizer_that_is_missing_is_named_with_its_place(audioldm: Path, tmp_path: Path) -> None:
    alone = tmp_path / "audioldm.ckpt"
    alone.symlink_to(audioldm)
    options = ("--from", alone, "--unet", alone, *TINY, "-o", tmp_path / "model", "--cache-dir", tmp_path / "cache")
    place = tmp_path / "cache" / "tokenizer"
    assert f"clap_tokenizer: put tokenizer.json and config.json of FacebookAI/roberta-base into {place}" in refusal(
        "assemble", *options
    )
    checkpoints.write_tokenizer(place)
    dry = run("assemble", *options, "--dry-run", "--json")
    assert dry.exit_code == 0
    assert json.loads(dry.stdout)["ready"]


@pytest.mark.slow
def test_nothing_half_is_left(audioldm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model"
    options: tuple[Any, ...] = ("--from", audioldm, "--unet", audioldm, *TINY, "-o", model)
    wrong = refusal("assemble", *options[:-2], "--base-channels", 32, "-o", model)
    assert "is not an AudioLDM or AudioLDM2 UNet of the sizes of this model" in wrong
    real = assembling._identities
    read: list[int] = []

    def altered(pipeline: Any) -> dict[str, str]:
        read.append(1)
        return real(pipeline) | ({} if len(read) == 1 else {"vae": "another"})

    monkeypatch.setattr(assembling, "_identities", altered)
    assert "differs from its parts when it is read back (vae): check the disk" in refusal("assemble", *options)
    assert not list(tmp_path.iterdir())
    model.mkdir()
    assert "exists: choose another folder, or remove it" in refusal("assemble", *options)


def test_options_that_contradict_each_other(tmp_path: Path) -> None:
    line = refusal("assemble", "--config", "re-audioldm-s-none", "--preset", "tiny", "-o", tmp_path / "model")
    assert "--config has the sizes: drop it, or --preset" in line
