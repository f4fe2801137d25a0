"""AudioMAE: the filter bank against transformers' and librosa-free closed forms, the layers, the pooling, the sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_model import enlarged, tone
from torch import Tensor
from transformers import ASTFeatureExtractor

from reaudio_model.config import TINY_CONDITION, ConditionConfig
from reaudio_model.encoders.audio_mae import (
    MEAN,
    STD,
    audio_mae_input,
    audio_mae_tokens,
    build_audio_mae,
    clip_samples,
    fbank,
    pool_tokens,
    prepare_clip,
)

FULL = ConditionConfig()
RATE = 16_000
# the published front end, in normalised units (the numpy path of the extractor stores its spectrum in complex64)
FRONT_END_TOLERANCE = 1e-4
# one fp32 network, other batch sizes
BATCH_TOLERANCE = 1e-5


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def sweep(samples: int) -> np.ndarray:
    t = np.arange(samples) / RATE
    return (0.5 * np.sin(2 * np.pi * (50 * t + 380 * t**2))).astype(np.float32)


def extractor(config: ConditionConfig) -> ASTFeatureExtractor:
    return ASTFeatureExtractor(num_mel_bins=config.mae_bins, max_length=config.mae_frames)


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")  # the extractor's, true of these sizes
@pytest.mark.parametrize("config", [FULL, TINY_CONDITION], ids=["full", "tiny"])
@pytest.mark.parametrize("signal", ["noise", "sweep", "tone in silence"])
def test_the_front_end_equals_the_feature_extractor(config: ConditionConfig, signal: str) -> None:
    n = clip_samples(config)
    waveform = {
        "noise": noise(n),
        "sweep": sweep(n),
        "tone in silence": np.concatenate([tone(3, n / RATE / 2), np.zeros(n - n // 2, np.float32)]),
    }[signal]
    waveform = (waveform - waveform.mean()).astype(np.float32)
    expected = extractor(config)(waveform, sampling_rate=RATE, return_tensors="np")["input_values"][0]
    found = audio_mae_input(torch.from_numpy(waveform)[None], config)
    assert found.shape == (1, 1, config.mae_frames, config.mae_bins)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=FRONT_END_TOLERANCE)


def test_two_frames_are_padded_before_the_normalisation() -> None:
    inputs = audio_mae_input(torch.from_numpy(noise(clip_samples(FULL)))[None], FULL)[0, 0]
    torch.testing.assert_close(inputs[1022:], torch.full((2, 128), -MEAN / (2 * STD)))
    assert inputs[1021].std() > 0.01


def test_silence_is_kaldis_floor() -> None:
    bank = fbank(torch.zeros(1, 800), 32)
    assert bank.shape == (1, 3, 32)
    torch.testing.assert_close(bank, torch.full_like(bank, float(np.log(np.finfo(np.float32).eps))))


def test_a_constant_offset_changes_nothing() -> None:
    waveform = torch.from_numpy(noise(clip_samples(TINY_CONDITION)))[None]
    torch.testing.assert_close(
        audio_mae_input(waveform + 0.25, TINY_CONDITION), audio_mae_input(waveform, TINY_CONDITION), atol=1e-3, rtol=0
    )  # the sum is rounded to float32 before the offset is taken away


# --- the clip ---


def test_a_clip_is_cut_centred_levelled_and_padded() -> None:
    n = clip_samples(TINY_CONDITION)
    assert n == 10_240
    long = prepare_clip(0.1 + tone(1, 2.0), RATE, TINY_CONDITION)
    head = (0.1 + tone(1, 2.0))[:n]
    centred = head - head.mean()
    np.testing.assert_allclose(long, 0.5 * centred / np.abs(centred).max(), atol=1e-6)
    short = prepare_clip(tone(1, 0.1), RATE, TINY_CONDITION)
    assert short.shape == (n,)
    assert short.dtype == np.float32
    assert not short[1600:].any()
    assert np.abs(short).max() == pytest.approx(0.5)


def test_channels_are_averaged_and_rates_converted() -> None:
    left, right = tone(1, 0.64, 48_000), tone(2, 0.64, 48_000)
    stereo = prepare_clip(np.stack([left, right], axis=1), 48_000, TINY_CONDITION)
    np.testing.assert_allclose(stereo, prepare_clip((left + right) / 2, 48_000, TINY_CONDITION), atol=1e-6)
    assert np.corrcoef(prepare_clip(left, 48_000, TINY_CONDITION), prepare_clip(tone(1), RATE, TINY_CONDITION))[0, 1] > 0.98


def test_silence_stays_silence() -> None:
    assert not prepare_clip(np.zeros(100, np.float32), RATE, TINY_CONDITION).any()


# --- the network ---


def test_the_full_size_is_vit_b_with_one_channel() -> None:
    with torch.device("meta"):
        encoder = build_audio_mae(FULL)
        tokens = audio_mae_tokens(encoder, torch.empty(2, 1, 1024, 128), FULL)
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(85.6e6, rel=1e-3)
    assert encoder.config.layer_norm_eps == 1e-6
    assert tokens.shape == (2, 32, 768)


def encoder_and_inputs() -> tuple[torch.nn.Module, Tensor]:
    torch.manual_seed(0)
    encoder = enlarged(build_audio_mae(TINY_CONDITION).eval())
    waveforms = torch.stack([torch.from_numpy(tone(seed)) for seed in range(3)])
    return encoder, audio_mae_input(waveforms, TINY_CONDITION)


def test_tokens_are_the_mean_of_the_last_normed_blocks() -> None:
    """The blocks run by hand: ``n > depth`` of the framework, each after the final norm."""
    encoder, inputs = encoder_and_inputs()
    with torch.inference_mode():
        state = encoder.embeddings(inputs)
        blocks = []
        for layer in encoder.layers:
            state = layer(state)
            blocks.append(encoder.layernorm(state))
        expected = pool_tokens(sum(blocks[-3:])[:, 1:] / 3, TINY_CONDITION)
        found = audio_mae_tokens(encoder, inputs, TINY_CONDITION)
        last_only = audio_mae_tokens(encoder, inputs, replace(TINY_CONDITION, mae_mean=1))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(last_only, pool_tokens(blocks[-1][:, 1:], TINY_CONDITION))
    assert (found - last_only).abs().max() > 0.1


@pytest.mark.parametrize("pool", [(4, 2), (2, 2), (8, 4), (1, 1)])
def test_pooling_is_half_mean_and_half_maximum_of_each_cell_in_time_order(pool: tuple[int, int]) -> None:
    config = replace(TINY_CONDITION, mae_pool=pool)
    patches = torch.randn(2, 8 * 4, 5, generator=torch.Generator().manual_seed(0))
    found = pool_tokens(patches, config)
    grid = patches.reshape(2, 8, 4, 5)
    cells = [
        grid[:, t : t + pool[0], f : f + pool[1]].reshape(2, -1, 5)
        for t in range(0, 8, pool[0])
        for f in range(0, 4, pool[1])
    ]
    assert found.shape == (2, config.mae_tokens, 5)
    torch.testing.assert_close(found, torch.stack([(c.mean(1) + c.amax(1)) / 2 for c in cells], dim=1))


def test_tokens_do_not_depend_on_the_batch() -> None:
    encoder, inputs = encoder_and_inputs()
    with torch.inference_mode():
        together = audio_mae_tokens(encoder, inputs, TINY_CONDITION)
        alone = torch.cat([audio_mae_tokens(encoder, row[None], TINY_CONDITION) for row in inputs])
    torch.testing.assert_close(together, alone, atol=BATCH_TOLERANCE, rtol=0)
    assert (together[0] - together[1]).abs().max() > 0.1
