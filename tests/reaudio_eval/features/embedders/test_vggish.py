"""VGGish: front end against an independent one, network against its definition, batching, bad checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from batches import assert_independent_of_batch_and_order
from torch import Tensor, nn

from reaudio_eval.features.embedders import Embedder, _vggish, vggish
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.weights import sha256_file

RATE = 16_000
# fp32 here against float64 there, on logarithms between -4.6 and 3
FRONT_END_TOLERANCE = 1e-5
# fp32 sums in another order
BATCH_TOLERANCE = 1e-5
WIDTHS = _vggish.Widths(stages=(2, 4, 4, 8), hidden=16, embedding=8)


@pytest.fixture
def state(closed_form_weights: Callable[[nn.Module], dict[str, Tensor]]) -> dict[str, Tensor]:
    return closed_form_weights(_vggish.Vggish(WIDTHS))


@pytest.fixture
def checkpoint(tmp_path: Path, state: dict[str, Tensor]) -> Path:
    path = tmp_path / "vggish.pth"
    torch.save(state, path)
    return path


@pytest.fixture
def embedder(checkpoint: Path) -> Embedder:
    return _vggish.load(checkpoint, vggish.PLUGIN.spec, sample_rate=RATE, device="cpu", cache_dir=None, widths=WIDTHS)


def reference_log_mel(waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """torchvggish's front end written again, frame by frame and filter by filter, in float64: (n_frames, 64)."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    bins_mel = 1127 * np.log(1 + np.arange(257) * (RATE / 512) / 700)
    low, high = (1127 * np.log(1 + f / 700) for f in (125, 7500))
    step = (high - low) / 65
    filters = np.zeros((257, 64))
    for band in range(64):
        left = low + band * step
        for i, mel in enumerate(bins_mel):
            filters[i, band] = max(0.0, 1 - abs(mel - left - step) / step)
    rows = []
    for start in range(0, len(waveform) - 400 + 1, 160):
        spectrum = np.abs(np.fft.rfft(waveform[start : start + 400].astype(np.float64) * window, 512))
        rows.append(np.log(spectrum @ filters + 0.01))
    return np.array(rows)


@pytest.mark.parametrize("samples", [15_600, 31_120, 47_000])
def test_front_end_equals_an_independent_numpy_one(noise: Callable[..., npt.NDArray[np.float32]], samples: int) -> None:
    waveform = noise(samples)
    expected = reference_log_mel(waveform)
    n_patches = len(expected) // 96
    patches = _vggish.LogMel()(torch.from_numpy(waveform)[None])[0].numpy()
    assert patches.shape == (n_patches, 96, 64)
    np.testing.assert_allclose(patches.reshape(-1, 64), expected[: n_patches * 96], atol=FRONT_END_TOLERANCE)


def test_network_is_the_published_one_without_its_last_relu(
    embedder: Embedder, state: dict[str, Tensor], noise: Callable[..., npt.NDArray[np.float32]]
) -> None:
    waveform = noise(RATE)
    x = torch.from_numpy(reference_log_mel(waveform)[:96]).float()[None, None]
    for layer, pool in ((0, True), (3, True), (6, False), (8, True), (11, False), (13, True)):
        x = F.relu(F.conv2d(x, state[f"features.{layer}.weight"], state[f"features.{layer}.bias"], padding=1))
        x = F.max_pool2d(x, 2) if pool else x
    x = x.transpose(1, 3).transpose(1, 2).reshape(1, -1)  # as torchvggish flattens
    for layer in (0, 2):
        x = F.relu(F.linear(x, state[f"embeddings.{layer}.weight"], state[f"embeddings.{layer}.bias"]))
    expected = F.linear(x, state["embeddings.4.weight"], state["embeddings.4.bias"]).numpy()
    (features,) = embedder.embed([waveform])
    np.testing.assert_allclose(features.frames, expected, atol=BATCH_TOLERANCE)
    assert (features.frames < 0).any(), "a ReLU cuts the embedding"
    assert features.logits is None


def test_ten_seconds_are_ten_patches_and_an_incomplete_tail_is_dropped(
    embedder: Embedder, noise: Callable[..., npt.NDArray[np.float32]]
) -> None:
    waveform = noise(10 * RATE)
    (long,), (short,) = embedder.embed([waveform]), embedder.embed([waveform[: int(1.9 * RATE)]])
    assert long.frames.shape == (10, 8)
    assert short.frames.shape == (1, 8)
    np.testing.assert_allclose(short.frames[0], long.frames[0], atol=BATCH_TOLERANCE)


def test_a_short_clip_is_zero_padded_to_one_patch(embedder: Embedder, noise: Callable[..., npt.NDArray[np.float32]]) -> None:
    short = noise(RATE // 5)
    padded = np.pad(short, (0, 15_600 - len(short)))
    one, other = embedder.embed([short, padded])
    np.testing.assert_array_equal(one.frames, other.frames)


def test_features_do_not_depend_on_batch_or_order(embedder: Embedder, noise: Callable[..., npt.NDArray[np.float32]]) -> None:
    clips = [noise(samples, seed) for seed, samples in enumerate((32_000, 48_000, 32_000, 20_000, 48_000))]
    assert_independent_of_batch_and_order(embedder, clips, BATCH_TOLERANCE)


def test_long_clips_pass_the_network_in_pieces(
    embedder: Embedder, noise: Callable[..., npt.NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = noise(8 * RATE)
    whole = embedder.embed([clip])[0].frames
    monkeypatch.setitem(_vggish.MAX_PATCHES, "cpu", 3)
    np.testing.assert_allclose(embedder.embed([clip])[0].frames, whole, atol=BATCH_TOLERANCE)


def test_fits_the_contract(embedder: Embedder, checkpoint: Path) -> None:
    assert isinstance(embedder, Embedder)
    assert embedder.sha256 == sha256_file(checkpoint)
    assert embedder.sample_rate == RATE
    assert embedder.embed([]) == []


def test_another_network_is_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "other.pth"
    torch.save(state, path)
    with pytest.raises(
        CheckpointError, match=r"other\.pth is not the VGGish checkpoint vggish-10086976\.pth: of another shape"
    ):
        vggish.PLUGIN.load(path, sample_rate=RATE, device="cpu")


@pytest.mark.parametrize(
    ("value", "message"), [(torch.inf, "contain NaN or infinity"), (torch.finfo(torch.float32).max, "infinite or undefined")]
)
def test_weights_that_give_no_finite_features_are_refused(
    value: float, message: str, tmp_path: Path, state: dict[str, Tensor]
) -> None:
    path = tmp_path / "damaged.pth"
    damaged = {name: torch.full_like(state[name], value) for name in ("embeddings.4.bias", "embeddings.4.weight")}
    torch.save(state | damaged, path)
    with pytest.raises(CheckpointError, match=message):
        _vggish.load(path, vggish.PLUGIN.spec, sample_rate=RATE, device="cpu", cache_dir=None, widths=WIDTHS)


def test_only_16_khz(checkpoint: Path) -> None:
    with pytest.raises(ReaudioError, match="VGGish works at 16000 Hz, not at 48000 Hz"):
        vggish.PLUGIN.load(checkpoint, sample_rate=48_000, device="cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta"])
def test_unknown_devices_are_refused(checkpoint: Path, device: str) -> None:
    with pytest.raises(ReaudioError, match=f"--device {device}"):
        vggish.PLUGIN.load(checkpoint, sample_rate=RATE, device=device)


def test_layout_is_the_published_one(shared: Path) -> None:
    table = json.loads((shared / "data" / "state_dict_keys.json").read_text())["vggish-10086976.pth"]
    with torch.device("meta"):
        network = _vggish.Vggish(_vggish.PUBLISHED)
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == table
