"""EfficientAT: front end against an independent one, the real weights on real sounds, batching, bad checkpoints."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr
import torch
from batches import assert_independent_of_batch_and_order
from torch import Tensor, nn

from reaudio_eval.features.embedders import Embedder, _efficientat, efficientat
from reaudio_model.common.errors import CheckpointError, ReaudioError

RATE = 32_000
# fp32 here against float64 there, on normalised logarithms between -1.4 and 2
FRONT_END_TOLERANCE = 1e-4
BATCH_TOLERANCE = 1e-5
# All 400 clips give 0.960 (reported by the weights' provider: 0.958); 40 clips have a standard error of 0.03.
ESC10_ACCURACY = 0.90
Noise = Callable[..., npt.NDArray[np.float32]]
Weights = Callable[[nn.Module], dict[str, Tensor]]


@pytest.fixture
def checkpoint(tmp_path: Path, closed_form_weights: Weights) -> Path:
    path = tmp_path / "mn01.pt"
    torch.save(closed_form_weights(_efficientat.MobileNetV3(0.1)), path)
    return path


@pytest.fixture
def embedder(checkpoint: Path) -> Embedder:
    return efficientat.PLUGIN.load(checkpoint, sample_rate=RATE, device="cpu")


@pytest.fixture
def real_weights(shared: Path) -> Path:
    return shared / "weights" / "efficientat" / "mn04_as_mAP_432.pt"


def reference_log_mel(waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The published front end written again frame by frame, in float64: (128, n_frames)."""
    x = waveform.astype(np.float64)
    x = np.pad(x[1:] - 0.97 * x[:-1], 512, mode="reflect")
    window = np.zeros(1024)
    window[112:912] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 799)
    power = np.array([np.abs(np.fft.rfft(x[s : s + 1024] * window)) ** 2 for s in range(0, len(x) - 1023, 320)])
    mel = 1127 * np.log(1 + np.arange(513) * (RATE / 1024) / 700)
    step = 1127 * np.log(1 + 15_000 / 700) / 129
    filters = np.array([[max(0.0, 1 - abs(m - (band + 1) * step) / step) for m in mel] for band in range(128)])
    return (np.log(filters @ power.T + 1e-5) + 4.5) / 5


def test_front_end_equals_an_independent_numpy_one(noise: Noise) -> None:
    waveform = noise(RATE)
    found = _efficientat.LogMel()(torch.from_numpy(waveform)[None])[0].numpy()
    np.testing.assert_allclose(found, reference_log_mel(waveform), atol=FRONT_END_TOLERANCE)


@pytest.mark.parametrize(("width", "embedding", "head"), [(0.1, 96, 128), (0.4, 384, 512), (1.0, 960, 1280)])
def test_published_widths(width: float, embedding: int, head: int) -> None:
    with torch.device("meta"):
        state = _efficientat.MobileNetV3(width).state_dict()
    assert state["classifier.2.weight"].shape == (head, embedding)
    assert state["classifier.5.weight"].shape == (527, head)
    assert _efficientat._width(state) == width


def test_shapes(embedder: Embedder, noise: Noise) -> None:
    (features,) = embedder.embed([noise(RATE)])
    assert features.frames.shape == (1, 96)
    assert features.frames.dtype == np.float32
    assert features.logits is not None
    assert features.logits.shape == (527,)


def test_features_do_not_depend_on_batch_or_order(embedder: Embedder, noise: Noise) -> None:
    clips = [noise(samples, seed) for seed, samples in enumerate((64_000, 40_000, 64_000, 64_000))]
    assert_independent_of_batch_and_order(embedder, clips, BATCH_TOLERANCE)


def test_a_tenth_of_a_second_is_padded_to_the_minimum(embedder: Embedder, noise: Noise) -> None:
    short = noise(3200)
    one, other = embedder.embed([short, np.pad(short, (0, 10_240 - 3200))])
    np.testing.assert_array_equal(one.frames, other.frames)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "linear.pt"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"is not an EfficientAT checkpoint such as mn04_as_mAP_432\.pt"):
        efficientat.PLUGIN.load(path, sample_rate=RATE, device="cpu")


def test_only_32_khz(checkpoint: Path) -> None:
    with pytest.raises(ReaudioError, match="EfficientAT works at 32000 Hz, not at 16000 Hz"):
        efficientat.PLUGIN.load(checkpoint, sample_rate=16_000, device="cpu")


def test_self_test_refuses_a_machine_that_computes_wrongly(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = efficientat.PLUGIN.load(checkpoint, sample_rate=RATE, device="cpu").sha256
    monkeypatch.setattr(_efficientat, "SELF_TEST", {sha256: {0: 12.34}})
    with pytest.raises(CheckpointError, match=r"self-test gives .* instead of \[12\.34\]"):
        efficientat.PLUGIN.load(checkpoint, sample_rate=RATE, device="cpu")


def test_real_weights_load_and_pass_their_self_test(real_weights: Path) -> None:
    embedder = efficientat.PLUGIN.load(real_weights, sample_rate=RATE, device="cpu")
    assert embedder.sha256 in _efficientat.SELF_TEST


@pytest.mark.slow
def test_real_weights_know_real_sounds(real_weights: Path, shared: Path) -> None:
    with (shared / "data" / "audiocaps" / "audioset_classes.csv").open() as file:
        index = {row["mid"]: int(row["index"]) for row in csv.DictReader(file)}
    with (shared / "data" / "esc10" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = {row["class"]: [index[mid] for mid in row["mids"].split(";") if mid in index] for row in rows}
    clips = rows[::10]
    waveforms = [_read(shared / "data" / "esc10" / row["path"]) for row in clips]
    features = efficientat.PLUGIN.load(real_weights, sample_rate=RATE, device="cpu").embed(waveforms)
    right = 0
    for row, (_, logits) in zip(clips, features, strict=True):
        assert logits is not None
        right += row["class"] == max(columns, key=lambda name: logits[columns[name]].max())
    assert len({row["class"] for row in clips}) == 10
    assert right / len(clips) >= ESC10_ACCURACY


def _read(path: Path) -> npt.NDArray[np.float32]:
    samples, rate = soundfile.read(path, dtype="float32")
    resampled: npt.NDArray[np.float32] = soxr.resample(samples, rate, RATE)
    return resampled
