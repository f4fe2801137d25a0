"""PANNs Cnn14: front end against librosa, network against the published implementation, batching, bad checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import torch
from batches import assert_independent_of_batch_and_order
from torch import Tensor, nn

from reaudio_eval.features.embedders import Embedder, _panns, panns
from reaudio_model.common.errors import CheckpointError, ReaudioError

CHANNELS = (2, 4, 4, 6, 6, 8)
SETTINGS = {16_000: (512, 160, 50, 8000), 32_000: (1024, 320, 50, 14_000)}  # n_fft, hop, fmin, fmax
# fp32 convolutions against librosa's fp32 FFT, in decibels
FRONT_END_TOLERANCE_DB = 2e-3
BATCH_TOLERANCE = 1e-5
# another CPU sums in another order
GOLDEN_TOLERANCE = 1e-4
Noise = Callable[..., npt.NDArray[np.float32]]
Weights = Callable[[nn.Module], dict[str, Tensor]]


def published_front_end(rate: int) -> dict[str, Tensor]:
    """The kernels as torchlibrosa makes them: a windowed Fourier matrix and librosa's mel filters."""
    n_fft, _, f_min, f_max = SETTINGS[rate]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    angle = -2 * np.pi * np.outer(np.arange(n_fft // 2 + 1), np.arange(n_fft)) / n_fft
    mel = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=64, fmin=f_min, fmax=f_max)
    return {
        "spectrogram_extractor.stft.conv_real.weight": torch.from_numpy(np.cos(angle) * window).float()[:, None],
        "spectrogram_extractor.stft.conv_imag.weight": torch.from_numpy(np.sin(angle) * window).float()[:, None],
        "logmel_extractor.melW": torch.from_numpy(mel.T).float(),
    }


@pytest.fixture
def checkpoint(tmp_path: Path, closed_form_weights: Weights) -> Callable[[int], Path]:
    """checkpoint(rate): a narrow Cnn14 in the published layout, with the sampler's arrays beside the weights."""

    def make(rate: int) -> Path:
        path = tmp_path / f"cnn14_{rate}.pth"
        model = closed_form_weights(_panns.Cnn14(rate, CHANNELS)) | published_front_end(rate)
        sampler = {"indexes_per_class": [np.arange(5), np.arange(3)], "pointer": np.int64(2)}
        torch.save({"iteration": 600_000, "model": model, "sampler": sampler}, path)
        return path

    return make


@pytest.fixture
def embedder(checkpoint: Callable[[int], Path]) -> Embedder:
    return load(checkpoint(16_000), 16_000)


def load(path: Path, rate: int) -> _panns.PannsEmbedder:
    return _panns.load(path, panns.PLUGIN.spec, sample_rate=rate, device="cpu", cache_dir=None, channels=CHANNELS)


@pytest.mark.parametrize("rate", [16_000, 32_000])
def test_front_end_equals_librosa(checkpoint: Callable[[int], Path], noise: Noise, rate: int) -> None:
    n_fft, hop, f_min, f_max = SETTINGS[rate]
    waveform = noise(2 * rate)
    mel = librosa.feature.melspectrogram(
        y=waveform, sr=rate, n_fft=n_fft, hop_length=hop, n_mels=64, fmin=f_min, fmax=f_max, pad_mode="reflect"
    )
    expected = librosa.power_to_db(mel, amin=1e-10, top_db=None).T
    found = load(checkpoint(rate), rate)._network.log_mel(torch.from_numpy(waveform)[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=FRONT_END_TOLERANCE_DB)


# Origin: ``Cnn14`` of panns_inference 0.1.1 (torchlibrosa 0.1.0) with its blocks narrowed to CHANNELS and these weights, on
# two seconds of this noise: "embedding", and the first four of "clipwise_output" (after the sigmoid).
GOLDEN = {
    16_000: ([0.0529212, 0.4480489, 0.2965468, 0, 0, 0, 0.0774230, 0.2575806], [0.5369059, 0.4896612, 0.4486962, 0.4896784]),
    32_000: ([0.0476821, 0.4407738, 0.2943406, 0, 0, 0, 0.0726361, 0.2501861], [0.5368783, 0.4891392, 0.4481949, 0.4896822]),
}


@pytest.mark.parametrize("rate", [16_000, 32_000])
def test_network_equals_panns_inference(checkpoint: Callable[[int], Path], noise: Noise, rate: int) -> None:
    (features,) = load(checkpoint(rate), rate).embed([noise(2 * rate)])
    embedding, probabilities = GOLDEN[rate]
    np.testing.assert_allclose(features.frames[0], embedding, atol=GOLDEN_TOLERANCE)
    assert features.logits is not None
    np.testing.assert_allclose(1 / (1 + np.exp(-features.logits[:4])), probabilities, atol=GOLDEN_TOLERANCE)


def test_shapes(embedder: Embedder, noise: Noise) -> None:
    (features,) = embedder.embed([noise(32_000)])
    assert features.frames.shape == (1, 8)
    assert features.frames.dtype == np.float32
    assert (features.frames >= 0).all()
    assert features.logits is not None
    assert features.logits.shape == (527,)
    assert (features.logits < 0).any(), "a sigmoid squashes the logits"


def test_features_do_not_depend_on_batch_or_order(embedder: Embedder, noise: Noise) -> None:
    clips = [noise(samples, seed) for seed, samples in enumerate((32_000, 24_000, 32_000, 32_000))]
    assert_independent_of_batch_and_order(embedder, clips, BATCH_TOLERANCE)


def test_a_tenth_of_a_second_is_padded_to_the_minimum(embedder: Embedder, noise: Noise) -> None:
    short = noise(1600)
    one, other = embedder.embed([short, np.pad(short, (0, 5120 - 1600))])
    np.testing.assert_array_equal(one.frames, other.frames)


@pytest.mark.parametrize(
    ("is_for", "asked", "right"),
    [(16_000, 32_000, r"Cnn14_mAP=0\.431\.pth"), (32_000, 16_000, r"Cnn14_16k_mAP=0\.438\.pth")],
)
def test_the_other_rates_file_is_refused_and_the_right_one_named(
    checkpoint: Callable[[int], Path], is_for: int, asked: int, right: str
) -> None:
    with pytest.raises(CheckpointError, match=f"for {is_for} Hz, but {asked} Hz is asked for: give {right}"):
        panns.PLUGIN.load(checkpoint(is_for), sample_rate=asked, device="cpu")


def test_another_width_is_refused(checkpoint: Callable[[int], Path]) -> None:
    with pytest.raises(CheckpointError, match=r"is not the PANNs checkpoint Cnn14_16k_mAP=0\.438\.pth: of another shape: "):
        panns.PLUGIN.load(checkpoint(16_000), sample_rate=16_000, device="cpu")


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "linear.pth"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"missing: .* and \d+ more; unexpected: weight, bias"):
        panns.PLUGIN.load(path, sample_rate=16_000, device="cpu")


def test_only_16_and_32_khz(checkpoint: Callable[[int], Path]) -> None:
    with pytest.raises(ReaudioError, match="16000 or 32000 Hz, not at 48000 Hz"):
        panns.PLUGIN.load(checkpoint(16_000), sample_rate=48_000, device="cpu")


@pytest.mark.parametrize("rate", [16_000, 32_000])
def test_layout_is_the_published_one(shared: Path, rate: int) -> None:
    name = next(c.filename for c in panns.PLUGIN.spec.checkpoints if c.sample_rate == rate)
    table = json.loads((shared / "data" / "state_dict_keys.json").read_text())[f"{name}['model']"]
    with torch.device("meta"):
        network = _panns.Cnn14(rate, _panns.PUBLISHED)
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == table
