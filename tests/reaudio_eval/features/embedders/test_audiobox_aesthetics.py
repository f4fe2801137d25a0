"""Audiobox Aesthetics: network against the published implementation, windows, scales, batching, bad checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from batches import assert_independent_of_batch_and_order
from safetensors.torch import save_file
from torch import Tensor, nn

from reaudio_eval.features.embedders import Embedder, _audiobox, _wavlm, audiobox_aesthetics
from reaudio_model.common.errors import CheckpointError, ReaudioError

RATE = 16_000
SIZE = _wavlm.Size(channels=8, width=16, depth=2, heads=2, kernel=8, groups=4)
BATCH_TOLERANCE = 1e-5
# another CPU sums in another order
GOLDEN_TOLERANCE = 1e-4
SCALES = {axis: {"mean": scale.mean, "std": scale.std} for axis, scale in _audiobox.PUBLISHED.items()}
Noise = Callable[..., npt.NDArray[np.float32]]
Weights = Callable[[nn.Module], dict[str, Tensor]]
# Origin: ``AesMultiOutput`` of audiobox_aesthetics 0.0.4 (proj_num_layer 5, proj_ln, nth_layer 3) with its WavLM narrowed to SIZE and these
# weights, and its ``make_inference_batch``: samples of this noise -> CE, CU, PC, PQ.
GOLDEN = {
    48_000: [4.339288, 4.418648, 1.632265, 5.769274],
    200_000: [4.343871, 4.421095, 1.638961, 5.773783],
}


@pytest.fixture
def state(closed_form_weights: Weights) -> dict[str, Tensor]:
    """With the names that weight norm had in torch of the checkpoint's time."""
    parts = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    found = {}
    for key, value in closed_form_weights(_audiobox.Aesthetics(SIZE)).items():
        for new, old in parts.items():
            key = key.replace(new, old)
        found[key] = value
    return found


@pytest.fixture
def checkpoint(tmp_path: Path, state: dict[str, Tensor]) -> Path:
    return write(tmp_path / "checkpoint.pt", state, SCALES)


def write(path: Path, state: dict[str, Tensor], scales: Any) -> Path:
    """A file in the published layout."""
    wrapped = {f"model.{key}": value for key, value in state.items()}
    torch.save(
        {"state_dict": wrapped, "model_cfg": {"proj_num_layer": 5, "proj_ln": True}, "target_transform": scales}, path
    )
    return path


def load(path: Path) -> _audiobox.AestheticsEmbedder:
    spec = audiobox_aesthetics.PLUGIN.spec
    return _audiobox.load(path, spec, sample_rate=RATE, device="cpu", cache_dir=None, size=SIZE)


def scores(embedder: Embedder, clip: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    (features,) = embedder.embed([clip])
    assert features.frames.shape == (1, 4)
    assert features.logits is None
    return features.frames[0]


@pytest.mark.parametrize("samples", GOLDEN)
def test_network_equals_audiobox_aesthetics(checkpoint: Path, noise: Noise, samples: int) -> None:
    np.testing.assert_allclose(scores(load(checkpoint), noise(samples)), GOLDEN[samples], atol=GOLDEN_TOLERANCE)


def test_a_long_clip_is_the_mean_of_its_windows_by_length(checkpoint: Path, noise: Noise) -> None:
    clip, embedder = noise(23 * RATE), load(checkpoint)
    parts = [scores(embedder, clip[start : start + 10 * RATE]) for start in range(0, len(clip), 10 * RATE)]
    np.testing.assert_allclose(scores(embedder, clip), np.average(parts, axis=0, weights=[10, 10, 3]), atol=BATCH_TOLERANCE)


def test_safetensors_take_the_scale_from_the_configuration_beside_them(
    tmp_path: Path, state: dict[str, Tensor], checkpoint: Path, noise: Noise
) -> None:
    path, clip = tmp_path / "model.safetensors", noise(RATE)
    save_file(state, path)
    published = scores(load(checkpoint), clip)
    np.testing.assert_allclose(scores(load(path), clip), published, atol=BATCH_TOLERANCE)
    doubled = {axis: {"mean": 2 * each["mean"], "std": 2 * each["std"]} for axis, each in SCALES.items()}
    (tmp_path / "config.json").write_text(json.dumps({"target_transform": doubled}), encoding="utf-8")
    np.testing.assert_allclose(scores(load(path), clip), 2 * published, rtol=BATCH_TOLERANCE)
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"config\.json is damaged"):
        load(path)


def test_scores_do_not_depend_on_batch_or_order(checkpoint: Path, noise: Noise) -> None:
    embedder = load(checkpoint)
    clips = [noise(samples, seed) for seed, samples in enumerate((32_000, 24_000, 32_000, 170_000))]
    assert_independent_of_batch_and_order(embedder, clips, BATCH_TOLERANCE)


def test_one_sample_has_scores(checkpoint: Path, noise: Noise) -> None:
    assert np.isfinite(scores(load(checkpoint), noise(1))).all()


def test_buckets_of_distances() -> None:
    """Single distances up to 79, then logarithmic to 800, later frames 160 buckets above."""
    found = _wavlm.buckets(1000)
    row = found[500]
    assert [int(row[500 - d]) for d in (0, 1, 79, 80, 499)] == [0, 1, 79, 80, 80 + int(np.log(499 / 80) / np.log(10) * 80)]
    assert [int(row[500 + d]) for d in (1, 79, 80)] == [161, 239, 240]
    assert int(found[0, 999]) == 319
    assert int(found[999, 0]) == 159


def test_layout_is_the_published_one() -> None:
    """324 tensors of model.safetensors, 415,472,992 bytes with their header."""
    with torch.device("meta"):
        network = _audiobox.Aesthetics(_wavlm.BASE).state_dict()
    shapes = {key: tuple(value.shape) for key, value in network.items()}
    assert len(shapes) == 324
    header = 415_472_992 - 4 * sum(value.numel() for value in network.values())
    assert 100 * 324 < header < 160 * 324  # a name, a type, a shape and two positions for each tensor
    assert shapes["wavlm_model.encoder.layers.0.self_attn.relative_attention_bias.weight"] == (320, 12)
    assert shapes["wavlm_model.encoder.layers.11.self_attn.grep_linear.weight"] == (8, 64)
    assert shapes["wavlm_model.encoder.pos_conv.0.parametrizations.weight.original0"] == (1, 1, 128)
    assert shapes["wavlm_model.feature_extractor.conv_layers.0.2.weight"] == (512,)
    assert shapes["proj_layer.PQ.12.weight"] == (1, 768)
    assert shapes["layer_weights.CE"] == (13,)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "linear.pt"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"is not the Audiobox Aesthetics checkpoint\.pt or model\.safetensors"):
        audiobox_aesthetics.PLUGIN.load(path, sample_rate=RATE, device="cpu")


@pytest.mark.parametrize("scales", [None, {}, SCALES | {"PQ": {"mean": 1.0}}])
def test_a_file_without_scales_is_refused(tmp_path: Path, state: dict[str, Tensor], scales: Any) -> None:
    with pytest.raises(CheckpointError, match="lacks target_transform with mean and std of CE, CU, PC, PQ"):
        load(write(tmp_path / "bad.pt", state, scales))


def test_only_16_khz(checkpoint: Path) -> None:
    with pytest.raises(ReaudioError, match="Audiobox Aesthetics works at 16000 Hz, not at 48000 Hz"):
        audiobox_aesthetics.PLUGIN.load(checkpoint, sample_rate=48_000, device="cpu")
