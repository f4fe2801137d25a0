"""The embedder frechet_audio_distance, with stand-ins for the packages; ``make crosscheck`` runs it with the packages themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from reference_packages import forget, write_frechet_audio_distance, write_laion_clap
from torch import nn

from reaudio_eval.features.embedders import Embedder, frechet_audio_distance
from reaudio_model.common.errors import CheckpointError, ReaudioError

PACKAGES = ("frechet_audio_distance", "torchvggish", "laion_clap")
TOLERANCE = 1e-6
Noise = Callable[..., npt.NDArray[np.float32]]


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Weights of the stand-in's network, and the packages importable."""
    write_frechet_audio_distance(tmp_path / "packages")
    write_laion_clap(tmp_path / "packages", 10)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    forget(*PACKAGES)
    weight = torch.linspace(-1, 1, 32).view(4, 8)
    torch.save(
        {"embeddings.0.weight": weight, "embeddings.0.bias": torch.tensor([0.1, -9.0, 0.3, 0.4])}, tmp_path / "vggish.pth"
    )
    yield tmp_path / "vggish.pth"
    forget(*PACKAGES)


def load(path: Path) -> Embedder:
    return frechet_audio_distance.PLUGIN.load(path, sample_rate=16_000, device="cpu")


def test_frames_are_those_of_the_package_before_the_last_relu(
    checkpoint: Path, noise: Noise, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = torch.hub.load
    embedder = load(checkpoint)
    assert torch.hub.load is hub, "the stand-in for the hub stays"
    clips = [noise(40_000), noise(1_000, 1), noise(40_000, 2)]
    together, backwards = embedder.embed(clips), embedder.embed(clips[::-1])[::-1]
    state = torch.load(checkpoint, weights_only=True)
    weight, bias = (state[f"embeddings.0.{name}"].numpy() for name in ("weight", "bias"))
    for clip, found, other in zip(clips, together, backwards, strict=True):
        patches = np.pad(clip, (0, max(0, 15_600 - len(clip))))
        n = len(patches) // 15_360
        expected = patches[: n * 15_360].reshape(n, 8, -1).std(axis=2) @ weight.T + bias
        np.testing.assert_allclose(found.frames, expected, rtol=TOLERANCE, atol=TOLERANCE)
        np.testing.assert_allclose(found.frames, other.frames, rtol=TOLERANCE)
        assert found.logits is None
    assert (together[0].frames < 0).any(), "after the last ReLU"
    assert "progress" not in capsys.readouterr().out, "stdout is for results"


def test_another_network_or_rate_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(CheckpointError, match=r"is not the VGGish checkpoint vggish-10086976\.pth: missing"):
        load(tmp_path / "linear.pth")
    with pytest.raises(ReaudioError, match="not at 48000 Hz"):
        frechet_audio_distance.PLUGIN.load(checkpoint, sample_rate=48_000, device="cpu")
