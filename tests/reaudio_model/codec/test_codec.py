"""Waveform <-> log-mel <-> latent: sizes, shapes, lengths, scale; a clip does not depend on its batch."""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import SpeechT5HifiGan

from reaudio_model.codec.codec import Codec, build_vae, build_vocoder, latent_scale, remove_weight_norm
from reaudio_model.codec.mel import log_mel
from reaudio_model.common.errors import ReaudioError
from reaudio_model.config import TINY_CODEC, CodecConfig, get_preset

FULL = get_preset("re-audioldm-s").codec
BATCH_TOLERANCE = 1e-5  # a batch may use another convolution kernel: float32 rounding of values near 1
BF16_TOLERANCE = 0.05  # relative, of norms: 8 bits of mantissa through some twenty layers


@pytest.fixture
def codec() -> Codec:
    torch.manual_seed(0)
    return Codec(build_vae(TINY_CODEC).eval(), build_vocoder(TINY_CODEC).eval())


@pytest.fixture
def waveform() -> Tensor:
    return 0.2 * torch.randn(3, TINY_CODEC.n_samples, generator=torch.manual_seed(1)).clamp(-2, 2)


def n_parameters(module: torch.nn.Module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


def test_full_size_has_the_published_parameter_counts_and_shapes() -> None:
    with torch.device("meta"):
        vae, vocoder = build_vae(FULL).eval(), build_vocoder(FULL).eval()
        moments = vae.encoder(torch.empty(1, 1, FULL.n_frames, 64))
        mel = vae.decoder(torch.empty(1, *FULL.latent_shape))
        sound = vocoder(torch.empty(1, FULL.n_frames, 64))
    assert round(n_parameters(vae), 1) == 55.4
    assert round(n_parameters(vocoder), 1) == 55.3
    assert moments.shape == (1, 2 * 8, 256, 16)
    assert mel.shape == (1, 1, 1024, 64)
    assert sound.shape == (1, 163_872)  # 32 more than asked for: hence the trimming
    assert vae.config.scaling_factor == 0.9227914214134216


def test_a_new_vocoder_is_loud_enough_for_a_mel_loss(waveform: Tensor) -> None:
    """With transformers' own initialisation every value is the floor's and every gradient 0."""
    torch.manual_seed(0)
    vocoder = build_vocoder(replace(TINY_CODEC, vocoder_channels=256))
    mel = log_mel(vocoder(log_mel(waveform[:1, :3200], TINY_CODEC.mel)), TINY_CODEC.mel)
    mel.sum().backward()
    assert (mel > log(1e-5)).float().mean() > 0.99
    assert vocoder.conv_pre.weight.grad.abs().max() > 0


def test_a_clip_goes_to_the_latent_of_its_config_and_back_to_its_length(codec: Codec, waveform: Tensor) -> None:
    with torch.no_grad():
        latent = codec.encode(waveform)
        mel = codec.decode(latent)
        back = codec.to_waveform(latent, waveform.shape[1])
    assert latent.shape == (3, *TINY_CODEC.latent_shape)
    assert mel.shape == (3, TINY_CODEC.n_frames, 64)
    assert back.shape == waveform.shape
    assert back.abs().max() <= 1
    assert back.std() > 0


@pytest.mark.parametrize("samples", [640, 641, 9_999])
def test_any_length_is_padded_to_whole_latent_steps(codec: Codec, samples: int) -> None:
    with torch.no_grad():
        latent = codec.encode(torch.zeros(1, samples))
        assert latent.shape[2] == -(-samples // 640)
        assert codec.to_waveform(latent, samples).shape == (1, samples)


def test_padding_is_silence(codec: Codec, waveform: Tensor) -> None:
    padded = torch.cat([waveform[:, :10_000], torch.zeros(3, 240)], dim=1)
    with torch.no_grad():
        assert torch.equal(codec.encode(waveform[:, :10_000]), codec.encode(padded))


def test_more_samples_than_the_frames_cover_are_refused(codec: Codec) -> None:
    with pytest.raises(ValueError, match="4 frames cover 640 samples, not 641"):
        codec.vocode(torch.zeros(1, 4, 64), 641)


@pytest.mark.parametrize(
    ("seconds", "downsampling", "frames"),
    [(10.24, 8, 256), (10.24, 1, 256), (10.0, 8, 256), (10.0, 1, 250), (5.0, 8, 128), (0.1, 8, 8), (30.0, 8, 752)],
)
def test_the_latent_covers_the_duration(codec: Codec, seconds: float, downsampling: int, frames: int) -> None:
    found = codec.latent_frames(seconds, downsampling)
    assert found == frames
    assert found % downsampling == 0
    assert found * 640 >= seconds * 16_000 > (found - downsampling) * 640


@pytest.mark.parametrize("seconds", [0, -1, 0.01, 60, float("inf"), float("nan")])
def test_impossible_durations_are_refused(codec: Codec, seconds: float) -> None:
    with pytest.raises(ReaudioError, match=r"between 0\.1 and 30 seconds"):
        codec.latent_frames(seconds, 8)


def test_a_batch_gives_what_each_clip_gives_alone(codec: Codec, waveform: Tensor) -> None:
    n = waveform.shape[1]
    with torch.no_grad():
        latent = codec.encode(waveform)
        together = codec.to_waveform(latent, n)
        for i, clip in enumerate(waveform):
            torch.testing.assert_close(codec.encode(clip[None]), latent[i : i + 1], rtol=0, atol=BATCH_TOLERANCE)
            alone = codec.to_waveform(latent[i : i + 1], n)
            torch.testing.assert_close(alone, together[i : i + 1], rtol=0, atol=BATCH_TOLERANCE)


def test_a_draw_belongs_to_the_generator_of_its_clip(codec: Codec, waveform: Tensor) -> None:
    def generators(*seeds: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    with torch.no_grad():
        together = codec.encode(waveform, generators(1, 2, 3))
        alone = codec.encode(waveform[1:2], generators(2))
        assert not torch.allclose(together, codec.encode(waveform), atol=0.1)
    torch.testing.assert_close(alone, together[1:2], rtol=0, atol=BATCH_TOLERANCE)


def test_the_scaling_factor_multiplies_latents_and_is_divided_out_again(codec: Codec, waveform: Tensor) -> None:
    with torch.no_grad():
        latent, mel = codec.encode(waveform), codec.decode(codec.encode(waveform))
        codec.vae.register_to_config(scaling_factor=3.0)
        scaled = codec.encode(waveform)
        torch.testing.assert_close(scaled, latent / TINY_CODEC.scaling_factor * 3)
        torch.testing.assert_close(codec.decode(scaled), mel, rtol=0, atol=BATCH_TOLERANCE)


def test_the_latent_scale_makes_drawn_latents_unit_variance(codec: Codec, waveform: Tensor) -> None:
    mel = log_mel(waveform, codec.mel)
    scale = latent_scale(codec.vae, [mel[:2], mel[2:]])
    codec.vae.register_to_config(scaling_factor=scale)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        drawn = torch.cat([codec.encode_mel(mel, generator) for _ in range(20)])
    assert abs(drawn.std().item() - 1) < 0.01  # 60 x 1024 draws: the standard error is 0.003


def test_the_latent_scale_needs_clips(codec: Codec) -> None:
    with pytest.raises(ReaudioError, match="at least one clip"):
        latent_scale(codec.vae, [])


def test_half_precision_follows_the_networks(codec: Codec, waveform: Tensor) -> None:
    n = waveform.shape[1]
    with torch.no_grad():
        latent = codec.encode(waveform)
        mel, sound = codec.decode(latent), codec.to_waveform(latent, n)
        codec.vae.to(torch.bfloat16)
        codec.vocoder.to(torch.bfloat16)
        low = codec.encode(waveform)
        low_mel, low_sound = codec.decode(latent), codec.to_waveform(latent, n)
    assert (low.dtype, low_mel.dtype, low_sound.dtype) == (torch.bfloat16, torch.float32, torch.float32)
    for found, expected in [(low.float(), latent), (low_mel, mel), (low_sound, sound)]:
        assert (found - expected).norm() < BF16_TOLERANCE * expected.norm()


def test_saved_networks_come_back_to_the_bit(codec: Codec, waveform: Tensor, tmp_path: Path) -> None:
    codec.vae.register_to_config(scaling_factor=1.25)
    codec.vae.save_pretrained(tmp_path / "vae")
    codec.vocoder.save_pretrained(tmp_path / "vocoder")
    again = Codec(
        AutoencoderKL.from_pretrained(tmp_path / "vae"), SpeechT5HifiGan.from_pretrained(tmp_path / "vocoder").eval()
    )
    with torch.no_grad():
        latent = codec.encode(waveform)
        assert torch.equal(again.encode(waveform), latent)
        assert torch.equal(again.to_waveform(latent, 10_000), codec.to_waveform(latent, 10_000))


def test_weight_norm_is_folded_into_the_same_function(codec: Codec) -> None:
    mel = torch.randn(1, 8, 64, generator=torch.manual_seed(0))
    plain_keys = set(codec.vocoder.state_dict())
    codec.vocoder.apply_weight_norm()
    for name, parameter in codec.vocoder.named_parameters():
        if name.endswith("original0"):
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    with torch.no_grad():
        expected = codec.vocode(mel, 1280)
        remove_weight_norm(codec.vocoder)
        assert set(codec.vocoder.state_dict()) == plain_keys
        assert torch.equal(codec.vocode(mel, 1280), expected)


@pytest.mark.parametrize("config", [CodecConfig(vae_channels=(8, 16), vae_layers=1, vae_norm_groups=4, vocoder_channels=32)])
def test_the_ratio_follows_the_number_of_blocks(config: CodecConfig) -> None:
    codec = Codec(build_vae(config), build_vocoder(config), config.mel)
    assert codec.ratio == 2
    assert codec.latent_frames(10.24, 8) == config.latent_shape[1] == 512
