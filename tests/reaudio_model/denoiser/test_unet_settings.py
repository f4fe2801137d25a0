"""Settings saved with published UNets are compared with ours: heads are a warning, everything else is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from reaudio_model.common.errors import CheckpointError
from reaudio_model.config import ModelConfig, get_preset
from reaudio_model.denoiser.unet import build_unet
from reaudio_model.denoiser.unet_checkpoints import load_unet
from reaudio_model.denoiser.unet_settings import check_unet_settings

TINY = get_preset("tiny")  # channels 16, 32; heads 2, 4
# What diffusers' converter of AudioLDM writes: contexts are the widths of the levels, and no heads.
AUDIOLDM = {"block_out_channels": [16, 32], "layers_per_block": 1, "cross_attention_dim": [16, 32], "norm_num_groups": 8}
AUDIOLDM2 = AUDIOLDM | {"cross_attention_dim": [[None, 24, 20], [None, 24, 20]]}


def compared(folder: Path, settings: Any, config: ModelConfig) -> None:
    (folder / "config.json").write_text(settings if isinstance(settings, str) else json.dumps(settings))
    with torch.device("meta"):
        check_unet_settings(build_unet(config), folder / "diffusion_pytorch_model.bin")


@pytest.mark.parametrize(
    ("settings", "retrieval"),
    [(AUDIOLDM, "none"), (AUDIOLDM | {"cross_attention_dim": None}, "none"), (AUDIOLDM2, "audio+text")],
)
def test_settings_of_the_same_network(
    settings: dict[str, Any], retrieval: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    compared(tmp_path, settings | {"attention_head_dim": [2, 4]}, replace(TINY, retrieval=retrieval))
    assert not caplog.text


@pytest.mark.parametrize(
    ("stated", "heads"),
    [
        ({}, "no attention heads, for which diffusers takes 8;"),
        ({"attention_head_dim": 8}, "8 attention heads;"),
        ({"attention_head_dim": [2, 8]}, "[2, 8] attention heads;"),
        ({"attention_head_dim": 4, "num_attention_heads": 2}, "2 attention heads;"),
    ],
)
def test_other_heads_are_a_warning(
    stated: dict[str, Any], heads: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    compared(tmp_path, AUDIOLDM | stated, replace(TINY, retrieval="none"))
    assert f"config.json states {heads} the authors' network has [2, 4], which are used" in caplog.text


def test_the_first_level_has_no_attention(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    compared(tmp_path, AUDIOLDM | {"attention_head_dim": 4}, replace(TINY, retrieval="none"))
    assert not caplog.text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"block_out_channels": [32, 64]}, r"block_out_channels \[32, 64\], this model has \[16, 32\]"),
        ({"layers_per_block": 2}, "layers_per_block 2, this model has 1"),
        ({"cross_attention_dim": [[None, 24, 24]] * 2}, r"cross_attention_dim \[\[None, 24, 24\]\], this model has \[\[None, 24, 20\]\]"),
        ({"cross_attention_dim": 24}, r"cross_attention_dim \[\[24\]\], this model has"),
        ({"norm_num_groups": 32}, "norm_num_groups 32, this model has 8"),
        ({"flip_sin_to_cos": False}, "flip_sin_to_cos False, this model has True"),
    ],
)  # fmt: skip
def test_other_settings_are_refused(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"belongs to another network: its config.json has {message}"):
        compared(tmp_path, AUDIOLDM2 | changed, TINY)


def test_a_damaged_configuration_is_refused_and_a_missing_one_is_not(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json .* is not valid JSON"):
        compared(tmp_path, "{", TINY)
    (tmp_path / "config.json").unlink()
    check_unet_settings(build_unet(TINY), tmp_path / "diffusion_pytorch_model.bin")


def test_the_width_of_audioldm_l_asks_for_its_heads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with torch.device("meta"):
        for width in (64, 32):
            assert not caplog.text
            large = get_preset("re-audioldm-s", retrieval="none", base_channels=256, head_width=width)
            check_unet_settings(build_unet(large), tmp_path / "audioldm-l-full.ckpt")
    assert "heads are 64 wide, not 32" in caplog.text
    assert "--head-width 64 (model.head_width in a training)" in caplog.text


def test_the_width_of_the_heads_changes_the_function_and_not_the_shapes(tmp_path: Path) -> None:
    config = replace(TINY, retrieval="none")
    torch.manual_seed(0)
    narrow = build_unet(config).eval()
    torch.save(narrow.unet.state_dict(), tmp_path / "unet.bin")
    wide = build_unet(replace(config, head_width=16)).eval()
    load_unet(wide, tmp_path / "unet.bin")
    assert list(wide.unet.config.attention_head_dim) == [1, 2]
    latents = torch.randn(1, *config.codec.latent_shape)
    with torch.no_grad():
        one, other = (
            network.unet(latents, 300, None, class_labels=torch.ones(1, config.condition.clap_dim)).sample
            for network in (narrow, wide)
        )
    assert one.shape == other.shape
    assert (one - other).abs().max() > 1e-4
