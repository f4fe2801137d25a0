"""OpenL3: front end against librosa, network against the published port, windows, batching, bad checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import torch
from batches import assert_independent_of_batch_and_order
from torch import Tensor, nn

from reaudio_eval.features.embedders import Embedder, _openl3, openl3
from reaudio_eval.scores.metrics._frechet import frechet_distance
from reaudio_model.common.errors import CheckpointError, ReaudioError

pytestmark = pytest.mark.filterwarnings("ignore:Empty filters detected")  # the lowest mel bands of OpenL3
RATE = 48_000
CHANNELS = (2, 3, 4, 4, 5, 5, 6)
# fp32 convolutions against librosa's FFT, in decibels of a range of 80
FRONT_END_TOLERANCE_DB = 5e-3
BATCH_TOLERANCE = 1e-5
# another CPU sums in another order
GOLDEN_TOLERANCE = 1e-4
Noise = Callable[..., npt.NDArray[np.float32]]
Weights = Callable[[nn.Module], dict[str, Tensor]]
# Origin: ``PytorchOpenl3`` ("env", "mel256", 512) of torchopenl3 1.0.1 with its convolutions narrowed to CHANNELS and these weights, on
# 1.5 s of this noise, centred, every 0.5 s.
GOLDEN = [
    [0.299620, 0.177530, 0.147900, 0.123159, 0.259705, 0.184328],
    [0.197851, 0.107888, 0.058921, 0.111850, 0.280905, 0.072155],
    [0.222599, 0.105930, 0.060035, 0.079955, 0.285968, 0.085058],
]


def published_front_end() -> dict[str, Tensor]:
    """The kernels as torchopenl3 makes them: a windowed Fourier matrix and librosa's mel filters."""
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)).astype(np.float32)
    angle = 2 * np.pi * np.outer(np.arange(1025), np.arange(2048)) / 2048
    mel = librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=256, fmin=0, fmax=RATE // 2, htk=True, norm=1)
    return {
        "speclayer.dft_real_kernels": torch.from_numpy(np.cos(angle) * window).float()[:, None],
        "speclayer.dft_imag_kernels": torch.from_numpy(-np.sin(angle) * window).float()[:, None],
        "speclayer.mel_basis": torch.from_numpy(mel),
    }


@pytest.fixture
def checkpoint(tmp_path: Path, closed_form_weights: Weights) -> Path:
    path = tmp_path / "torchopenl3_small.pth.tar"
    torch.save(closed_form_weights(_openl3.OpenL3(CHANNELS)) | published_front_end(), path)
    return path


@pytest.fixture
def embedder(checkpoint: Path) -> _openl3.OpenL3Embedder:
    return _openl3.load(checkpoint, openl3.PLUGIN.spec, sample_rate=RATE, device="cpu", cache_dir=None, channels=CHANNELS)


def frames(embedder: Embedder, clip: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    (features,) = embedder.embed([clip])
    assert features.logits is None
    return features.frames


def test_network_equals_torchopenl3(embedder: Embedder, noise: Noise) -> None:
    np.testing.assert_allclose(frames(embedder, noise(72_000)), GOLDEN, atol=GOLDEN_TOLERANCE)


def test_front_end_equals_librosa(embedder: _openl3.OpenL3Embedder, noise: Noise) -> None:
    window = noise(RATE)
    padded = np.pad(window, 982)
    mel = librosa.feature.melspectrogram(
        y=padded, sr=RATE, n_fft=2048, hop_length=242, n_mels=256, htk=True, norm=1, power=2.0, center=False
    )
    decibels = 10 * np.log10(np.maximum(np.sqrt(mel), 1e-10))
    expected = np.maximum(decibels - decibels.max(), -80.0)
    found = embedder._network.speclayer(torch.from_numpy(window)[None])[0].numpy()
    assert found.shape == (256, 199)
    np.testing.assert_allclose(found, expected, atol=FRONT_END_TOLERANCE_DB)


@pytest.mark.parametrize(("seconds", "n_frames"), [(0.1, 1), (0.5, 1), (0.6, 2), (1.0, 2), (1.1, 3), (10.0, 20), (10.1, 21)])
def test_windows_of_a_second_every_half_second(noise: Noise, seconds: float, n_frames: int) -> None:
    """The first has its middle at the first sample; the last is padded."""
    clip = noise(round(seconds * RATE))
    windows = _openl3.split(torch.from_numpy(clip)[None])[0].numpy()
    assert windows.shape == (n_frames, RATE)
    rebuilt = np.concatenate([windows[0], *(window[RATE // 2 :] for window in windows[1:])])
    expected = np.pad(clip, (RATE // 2, len(rebuilt) - len(clip) - RATE // 2))
    np.testing.assert_array_equal(rebuilt, expected)


def test_many_windows_are_run_in_parts(embedder: Embedder, noise: Noise, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = noise(3 * RATE)
    whole = frames(embedder, clip)
    monkeypatch.setattr(_openl3, "MAX_WINDOWS", 2)
    np.testing.assert_allclose(frames(embedder, clip), whole, atol=BATCH_TOLERANCE)


@pytest.mark.slow
def test_features_do_not_depend_on_batch_or_order(embedder: Embedder, noise: Noise) -> None:
    clips = [noise(samples, seed) for seed, samples in enumerate((48_000, 30_000, 48_000))]
    assert_independent_of_batch_and_order(embedder, clips, BATCH_TOLERANCE)


def test_stereo_distance_of_mono_clips_is_twice_the_mono_one() -> None:
    """As the description of the protocol stable-audio-metrics says: it writes a mono clip's frames twice side by side."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((60, 8)), 1.3 * rng.standard_normal((50, 8)) + 0.4
    mono, stereo = frechet_distance(a, b), frechet_distance(np.hstack([a, a]), np.hstack([b, b]))
    assert stereo == pytest.approx(2 * mono, rel=1e-6)


def test_layout_is_the_published_one() -> None:
    """Of ``PytorchOpenl3`` of torchopenl3 1.0.1."""
    with torch.device("meta"):
        state = _openl3.OpenL3(_openl3.PUBLISHED).state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert len(shapes) == 3 + 8 * 5 + 8 * 2
    assert shapes["speclayer.dft_real_kernels"] == (1025, 1, 2048)
    assert shapes["speclayer.mel_basis"] == (256, 1025)
    assert shapes["batch_normalization_1.running_mean"] == (1,)
    assert shapes["conv2d_7.weight"] == (512, 256, 3, 3)
    assert shapes["audio_embedding_layer.weight"] == (512, 512, 3, 3)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "linear.pth"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"is not an OpenL3 checkpoint such as torchopenl3_mel256_env_512\.pth\.tar"):
        openl3.PLUGIN.load(path, sample_rate=RATE, device="cpu")


def test_only_48_khz(checkpoint: Path) -> None:
    with pytest.raises(ReaudioError, match="OpenL3 works at 48000 Hz, not at 44100 Hz"):
        openl3.PLUGIN.load(checkpoint, sample_rate=44_100, device="cpu")
