"""Settings of a training that cannot work, and what a start that failed leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from training_worlds import reset_accelerator, run, training_world

from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.config import get_preset
from reaudio_model.denoiser.unet import build_unet
from reaudio_model.encoders.encoder_checkpoints import load_whole_t5
from reaudio_model.training.config import read_config


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("loop.seed=-5", r"seed must be between 0 and 2\^63 - 1, not -5"),
        ("loop.seed=99999999999999999999", "seed must be between 0"),
        ("loop.learning_rate=1e300", "learning_rate must be above 0 and at most 1000"),
        ("discriminator_width=0", "discriminator_width must be 1 or more, not 0"),
        ("mae_decoder.dim=0", r"mae_decoder\.dim must be 1 or more, not 0"),
        ("mae_decoder.heads=3", r"mae_decoder\.dim must be a multiple of its heads \(3\)"),
        ("diffusion.weight_decay=-1", r"diffusion\.weight_decay must be 0 or more"),
        ("diffusion.max_norm=0", r"diffusion\.max_norm must be above 0"),
        ("vae.kl_weight=-1", r"vae\.kl_weight must be 0 or more"),
    ],
)
def test_settings_that_cannot_work(setting: str, message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        read_config("vae", [setting])


def test_a_file_that_is_no_configuration_is_said_before_its_overrides(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(ReaudioError, match=r"empty\.yaml must be a list of 'key: value' lines"):
        read_config(tmp_path / "empty.yaml", ["loop.steps=2"])


def test_t5_for_training_is_checked(tmp_path: Path) -> None:
    world = training_world(tmp_path)
    network, tokenizer = load_whole_t5(str(world / "t5"))
    assert network.config.vocab_size >= len(tokenizer)
    with pytest.raises(CheckpointError, match=r"is not on this machine or is damaged: give its folder as parts\.t5"):
        load_whole_t5(str(world / "clap"))
    file = world / "t5" / "model.safetensors"
    weights = load_file(file)
    weights.pop("decoder.final_layer_norm.weight")
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"missing: decoder\.final_layer_norm\.weight"):
        load_whole_t5(str(world / "t5"))


@pytest.mark.slow
def test_a_start_that_failed_does_not_hold_its_folder(tmp_path: Path) -> None:
    world = training_world(tmp_path)
    build_unet(get_preset("tiny", base_channels=32)).save_pretrained(tmp_path / "wide")
    config, output = "re-audioldm-s-audio-text-k3", tmp_path / "run"
    reset_accelerator()
    with pytest.raises(CheckpointError, match="is not one of this model"):
        run("diffusion", config, world, output, f"parts.unet={tmp_path / 'wide'}")
    assert run("diffusion", config, world, output, "loop.seed=1", resume=True).finished
    with pytest.raises(ReaudioError, match=r"loop\.seed was 1, now 2"):
        run("diffusion", config, world, output, "loop.seed=2", resume=True)
