"""The log-mel front end agrees with librosa, and levels are the same for every clip."""

from __future__ import annotations

import math

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from reaudio_model.codec.mel import log_mel, normalise_waveform
from reaudio_model.config import MelConfig

LIBROSA_TOLERANCE = 1e-5  # the output is float32, about -12 to 4; both sides compute in float64
CONFIG = MelConfig()


def librosa_log_mel(waveform: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    edge = (CONFIG.n_fft - CONFIG.hop_length) // 2
    padded = np.pad(waveform, edge, mode="reflect")
    magnitude = np.abs(librosa.stft(padded, n_fft=CONFIG.n_fft, hop_length=CONFIG.hop_length, center=False))
    filters = librosa.filters.mel(
        sr=CONFIG.sample_rate, n_fft=CONFIG.n_fft, n_mels=CONFIG.n_mels, fmin=CONFIG.fmin, fmax=CONFIG.fmax, dtype=np.float64
    )
    return np.log(np.maximum(filters @ magnitude, 1e-5)).T


@pytest.fixture(scope="module")
def clips() -> Tensor:
    """Noise, a tone over noise, and a chirp that ends in silence: 1 s each."""
    rng = np.random.default_rng(0)
    t = np.arange(16_000) / 16_000
    noise = rng.uniform(-0.5, 0.5, 16_000)
    tone = 0.4 * np.sin(2 * np.pi * 440 * t) + 0.02 * noise
    chirp = np.where(t < 0.7, 0.3 * np.sin(2 * np.pi * (200 + 3000 * t) * t), 0.0) + 1e-3 * noise * (t < 0.7)
    return torch.from_numpy(np.stack([noise, tone, chirp])).float()


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1, 2], ids=["noise", "tone", "chirp and silence"])
def test_equals_librosa(clips: Tensor, index: int) -> None:
    found = log_mel(clips, CONFIG)[index]
    expected = librosa_log_mel(clips[index].double().numpy())
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=LIBROSA_TOLERANCE)


def test_a_full_clip_has_the_shape_of_the_paper() -> None:
    mel = log_mel(torch.zeros(2, 163_840), CONFIG)
    assert mel.shape == (2, 1024, 64)
    assert torch.equal(mel, torch.full_like(mel, math.log(1e-5)))


@pytest.mark.parametrize("samples", [433, 1600, 8192, 10_000])
def test_there_is_a_frame_for_every_whole_hop(samples: int) -> None:
    assert log_mel(torch.zeros(1, samples), CONFIG).shape == (1, samples // 160, 64)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 432 samples, not 432"):
        log_mel(torch.zeros(1, 432), CONFIG)


def test_a_batch_gives_what_each_clip_gives_alone(clips: Tensor) -> None:
    alone = torch.cat([log_mel(clip[None], CONFIG) for clip in clips])
    torch.testing.assert_close(log_mel(clips, CONFIG), alone, rtol=0, atol=LIBROSA_TOLERANCE)


def test_autocast_does_not_lower_the_precision(clips: Tensor) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = log_mel(clips, CONFIG)
    assert torch.equal(found, log_mel(clips, CONFIG))


def test_the_gradient_is_finite_in_silence_and_reaches_the_sound(clips: Tensor) -> None:
    waveform = clips.clone().requires_grad_()
    log_mel(waveform, CONFIG).sum().backward()
    assert waveform.grad is not None
    assert waveform.grad.isfinite().all()
    assert (waveform.grad[:2].abs().amax(dim=1) > 0).all()


def test_normalised_clips_are_centred_with_peak_one_half() -> None:
    waveform = torch.randn(3, 1000, generator=torch.manual_seed(0)) * torch.tensor([[1.0], [0.01], [100.0]]) + 0.3
    found = normalise_waveform(waveform)
    torch.testing.assert_close(found.abs().amax(dim=1), torch.full((3,), 0.5))
    torch.testing.assert_close(found.mean(dim=1), torch.zeros(3), rtol=0, atol=1e-5)  # float32 sums of 1000
    double = waveform.double().numpy()
    centred = double - double.mean(axis=1, keepdims=True)
    expected = centred / (np.abs(centred).max(axis=1, keepdims=True) + 1e-8) * 0.5  # AudioLDM's formula
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-5)  # 0.01 beside an offset of 0.3 in float32


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_a_constant_clip_becomes_silence(level: float) -> None:
    assert normalise_waveform(torch.full((1, 1001), level)).abs().max() < 1e-6


def test_constants_made_in_inference_mode_serve_training_too(clips: Tensor) -> None:
    config = MelConfig(n_mels=32)  # in no other test, so that its constants are made here
    with torch.inference_mode():
        expected = log_mel(clips, config).clone()
    found = log_mel(clips.clone().requires_grad_(), config)
    found.sum().backward()
    assert torch.equal(found.detach(), expected)
