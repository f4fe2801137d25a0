"""Counted sizes against those known from elsewhere: model cards, papers, and sums done by hand."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import torch

from reaudio_model.cli.info import describe, empty_conditioning, to_text
from reaudio_model.config import get_preset
from reaudio_model.denoiser.unet import build_unet

ROUNDING = 5e4  # counts known to 0.1 M
GFLOP_ROUNDING = 0.51  # operations known to 1 GFLOP


@cache
def described(preset: str, k: int) -> dict[str, Any]:
    return describe(get_preset(preset, k=k))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "k", "unet", "gflop"), [("re-audioldm-s", 3, 351.5, 178), ("re-audioldm-l", 10, 771.3, 406)]
)
def test_full_sizes(preset: str, k: int, unet: float, gflop: float) -> None:
    info = described(preset, k)
    assert info["parameters"]["unet"] == pytest.approx(unet * 1e6, abs=ROUNDING)
    assert info["gflop"]["unet_call"] == pytest.approx(gflop, abs=GFLOP_ROUNDING)
    known = {"vae": 55.4, "vocoder": 55.3, "audio_mae": 85.6, "t5": 341.2}
    for name, millions in known.items():
        assert info["parameters"][name] == pytest.approx(millions * 1e6, abs=ROUNDING), name
    known = {"vae_decode": 670, "vae_encode": 345, "vocoder": 1027, "audio_mae_clip": 97}
    for name, value in known.items():
        assert info["gflop"][name] == pytest.approx(value, abs=GFLOP_ROUNDING), name


@pytest.mark.slow
def test_sums_and_units() -> None:
    info = described("re-audioldm-s", 3)
    assert info["total_parameters"] == sum(info["parameters"].values())
    unet = info["parameters"]["unet"]
    assert info["memory_mb"]["float32"]["unet"] == pytest.approx(unet * 4 / 1e6)
    assert info["memory_mb"]["bfloat16"]["total"] == pytest.approx(info["total_parameters"] * 2 / 1e6)
    one, after = info["gflop"]["unet_call"], info["gflop"]["vae_decode"] + info["gflop"]["vocoder"]
    assert info["gflop"]["clip_200_steps"] == pytest.approx(400 * one + after)
    assert info["gflop"]["clip_25_steps"] == pytest.approx(50 * one + after)
    assert info["shapes"]["latent"] == [8, 256, 16]
    assert info["shapes"]["audio_tokens"] == [96, 768]
    assert info["shapes"]["caption_tokens"] == [150, 1024]


@pytest.mark.slow
def test_joint_fusion_counts_its_projection_apart() -> None:
    parameters = describe(get_preset("re-audioldm-s", fusion="joint"))["parameters"]
    assert parameters["unet"] == pytest.approx(188.8e6, abs=ROUNDING)
    assert parameters["caption_projection"] == 1024 * 768 + 768


@pytest.mark.slow
@pytest.mark.parametrize(("retrieval", "absent"), [("none", {"audio_mae", "t5"}), ("audio", {"t5"}), ("audio+text", set())])
def test_only_the_parts_in_use_are_counted(retrieval: Any, absent: set[str]) -> None:
    info = describe(get_preset("tiny", retrieval=retrieval))
    every = {"unet", "vae", "vocoder", "clap_text", "audio_mae", "t5"}
    assert set(info["parameters"]) == every - absent
    assert ("audio_mae_clip" in info["gflop"]) == (retrieval != "none")


@pytest.mark.slow
def test_a_twin_has_encoders_of_unknown_size() -> None:
    info = describe(get_preset("tiny"))
    assert info["parameters"]["t5"] is info["parameters"]["clap_text"] is None
    assert "t5" not in info["memory_mb"]["float32"]
    assert info["total_parameters"] == sum(filter(None, info["parameters"].values()))


def test_is_json_and_text() -> None:
    info = describe(get_preset("tiny", k=0))
    assert json.loads(json.dumps(info, allow_nan=False)) == info
    text = to_text(info)
    for name in (*info["parameters"], *info["gflop"], *info["shapes"], "total"):
        assert f"\n{name} " in text
    assert "t5" + " " * 31 + "–" in text


def test_nothing_is_allocated_or_left_on_the_meta_device() -> None:
    describe(get_preset("tiny"))
    assert torch.empty(1).device.type == "cpu"


def test_empty_conditioning_has_the_shapes_the_denoiser_takes() -> None:
    config = get_preset("tiny", retrieval="audio", k=2)
    conditioning = empty_conditioning(config, batch=3)
    assert conditioning.audio.shape == (3, 2 * config.condition.mae_tokens, config.condition.mae_dim)
    assert conditioning.captions is None
    with torch.device("meta"):
        latents = torch.empty(3, *config.codec.latent_shape)
        assert build_unet(config)(latents, 1, empty_conditioning(config, batch=3)).shape == latents.shape
