"""Published layouts become folders of the libraries, with the same function."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import save_file
from tiny_model import tiny_clap
from typer.testing import CliRunner

from reaudio_model.cli.app import app
from reaudio_model.cli.convert import Kind, convert
from reaudio_model.codec.codec import build_vae, build_vocoder
from reaudio_model.codec.codec_checkpoints import original_vae_names
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.config import get_preset
from reaudio_model.denoiser.unet import RetrievalUNet, build_unet
from reaudio_model.denoiser.unet_checkpoints import original_names
from reaudio_model.encoders.audio_mae import build_audio_mae
from reaudio_model.encoders.clap import load_clap

TINY = get_preset("tiny")


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_vae(tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    vae = build_vae(TINY.codec)
    names = original_vae_names(vae)
    save_file({names[key]: value for key, value in vae.state_dict().items()}, tmp_path / "vae.safetensors")
    done = convert(tmp_path / "vae.safetensors", tmp_path / "vae", "vae", TINY)
    assert equal(AutoencoderKL.from_pretrained(tmp_path / "vae"), vae)
    assert done["parameters"] == sum(p.numel() for p in vae.parameters())
    assert set(done["files"]) == {"config.json", "diffusion_pytorch_model.safetensors"}


def test_vocoder(tmp_path: Path) -> None:
    from transformers import SpeechT5HifiGan

    vocoder = build_vocoder(TINY.codec)
    torch.save({"generator": original_vocoder(vocoder)}, tmp_path / "g.ckpt")
    convert(tmp_path / "g.ckpt", tmp_path / "vocoder", "vocoder", TINY)
    assert equal(SpeechT5HifiGan.from_pretrained(tmp_path / "vocoder"), vocoder)


def original_vocoder(vocoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    state = {key: value for key, value in vocoder.state_dict().items() if key not in ("mean", "scale")}
    return {key.replace("upsampler.", "ups."): value for key, value in state.items()}


def test_unet(tmp_path: Path) -> None:
    unet = build_unet(TINY)
    names = original_names(unet)
    state = {names[key]: value for key, value in unet.unet.state_dict().items()}
    torch.save({"state_dict": {f"model.diffusion_model.{key}": value for key, value in state.items()}}, tmp_path / "m.ckpt")
    convert(tmp_path / "m.ckpt", tmp_path / "new" / "unet", "unet", TINY)
    assert equal(RetrievalUNet.from_pretrained(tmp_path / "new" / "unet"), unet)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["unet"]
    with pytest.raises(CheckpointError, match="averaged"):
        convert(tmp_path / "m.ckpt", tmp_path / "other", "unet", TINY, ema=True)


def test_the_width_of_the_heads_of_a_unet(tmp_path: Path) -> None:
    unet = build_unet(TINY)
    names = original_names(unet)
    torch.save({names[key]: value for key, value in unet.unet.state_dict().items()}, tmp_path / "m.ckpt")
    arguments = ["convert", str(tmp_path / "m.ckpt"), str(tmp_path / "unet"), "--kind", "unet", "--preset", "tiny"]
    result = CliRunner().invoke(app, [*arguments, "--head-width", "16"])
    assert result.exit_code == 0, result.output
    wide = RetrievalUNet.from_pretrained(tmp_path / "unet")
    assert wide.config["head_width"] == 16
    assert list(wide.unet.config.attention_head_dim) == [1, 2]
    assert equal(wide, unet)
    refused = CliRunner().invoke(app, [*arguments[:2], str(tmp_path / "other"), *arguments[3:], "--head-width", "12"])
    assert refused.exit_code == 2
    assert "multiple of 8 (GroupNorm) and of 12 (heads)" in refused.stderr


def test_audio_mae(tmp_path: Path) -> None:
    from transformers import ViTModel

    network = build_audio_mae(TINY.condition)
    save_file(network.state_dict(), tmp_path / "mae.safetensors")
    convert(tmp_path / "mae.safetensors", tmp_path / "mae", "audiomae", TINY)
    assert equal(ViTModel.from_pretrained(tmp_path / "mae", add_pooling_layer=False), network)


def test_clap_and_the_command(tmp_path: Path) -> None:
    clap = tiny_clap()
    clap.network.save_pretrained(tmp_path / "published")
    clap.tokenizer.save_pretrained(tmp_path / "published")
    arguments = ["convert", str(tmp_path / "published"), str(tmp_path / "clap"), "--kind", "clap", "--preset", "tiny"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "clap with" in result.stdout
    assert load_clap(tmp_path / "clap", device=torch.device("cpu")).sha256 == clap.sha256
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "exists: choose another folder" in again.stderr


def test_errors(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / "x.safetensors")
    for kind in get_args(Kind):
        with pytest.raises(CheckpointError, match=r"x\.safetensors"):
            convert(tmp_path / "x.safetensors", tmp_path / "out", kind, TINY)
    with pytest.raises(ReaudioError, match=r"Unknown kind 'vea'\. Did you mean 'vae'"):
        convert(tmp_path / "x.safetensors", tmp_path / "out", "vea", TINY)
    with pytest.raises(ReaudioError, match="--ema is for a UNet; there are no averaged weights of a vae"):
        convert(tmp_path / "x.safetensors", tmp_path / "out", "vae", TINY, ema=True)
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_target_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    save_file(build_audio_mae(TINY.condition).state_dict(), tmp_path / "mae.safetensors")
    with pytest.raises(ReaudioError, match=r"Cannot write .*there is a file where a folder is needed"):
        convert(tmp_path / "mae.safetensors", tmp_path / "file" / "mae", "audiomae", TINY)
