"""The embedder panns_inference, with a stand-in for the package; ``make crosscheck`` runs it with the package itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from reference_packages import PANNS_CHANNELS, forget, write_panns_inference
from torch import Tensor, nn

from reaudio_eval.features.active import ActiveEmbedder, activate
from reaudio_eval.features.embedders import _panns, panns, panns_inference
from reaudio_eval.features.feature_set import Undefined
from reaudio_eval.features.protocols import get_protocol
from reaudio_model.common.errors import CheckpointError, ReaudioError

BATCH_TOLERANCE = 1e-5
Noise = Callable[..., npt.NDArray[np.float32]]
Weights = Callable[[nn.Module], dict[str, Tensor]]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    write_panns_inference(tmp_path / "packages")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    forget("panns_inference")
    yield
    forget("panns_inference")


@pytest.fixture
def checkpoint(tmp_path: Path, closed_form_weights: Weights) -> Path:
    """A narrow Cnn14 in the published layout, for 16 kHz: smaller than what the package overwrites."""
    path = tmp_path / "cnn14.pth"
    state = closed_form_weights(_panns.Cnn14(16_000, PANNS_CHANNELS))
    torch.save({"iteration": 1, "model": state, "sampler": {"indexes": np.arange(3)}}, path)
    return path


@pytest.mark.usefixtures("package")
def test_features_are_those_of_the_package_for_any_batch(checkpoint: Path, noise: Noise) -> None:
    before, random = checkpoint.read_bytes(), torch.random.get_rng_state()
    embedder = panns_inference.PLUGIN.load(checkpoint, sample_rate=16_000, device="cpu")
    assert type(embedder._network).__module__ == "panns_inference.models"
    assert torch.equal(torch.random.get_rng_state(), random), "torch's random numbers of the caller are used"
    ours = _panns.load(
        checkpoint, panns.PLUGIN.spec, sample_rate=16_000, device="cpu", cache_dir=None, channels=PANNS_CHANNELS
    )
    clips = [noise(n, seed) for seed, n in enumerate((1600, 32_000, 20_000, 32_000))]
    for theirs, expected, backwards in zip(
        embedder.embed(clips), ours.embed(clips), embedder.embed(clips[::-1])[::-1], strict=True
    ):
        np.testing.assert_allclose(theirs.frames, expected.frames, rtol=BATCH_TOLERANCE)
        np.testing.assert_allclose(theirs.logits, expected.logits, rtol=BATCH_TOLERANCE, atol=BATCH_TOLERANCE)
        np.testing.assert_allclose(theirs.logits, backwards.logits, rtol=BATCH_TOLERANCE, atol=BATCH_TOLERANCE)
        assert theirs.logits is not None
        assert (theirs.logits < 0).any(), "probabilities instead of logits"
    assert checkpoint.read_bytes() == before


@pytest.mark.usefixtures("package")
def test_nothing_is_written_into_the_home_folder(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    panns_inference.PLUGIN.load(checkpoint, sample_rate=16_000, device="cpu")
    assert list(home.iterdir()) == []
    assert Path.home() == home, "the home folder stays exchanged"


@pytest.mark.usefixtures("package")
def test_files_of_another_rate_or_network_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"for 16000 Hz, but 32000 Hz is asked for: give Cnn14_mAP=0\.431\.pth"):
        panns_inference.PLUGIN.load(checkpoint, sample_rate=32_000, device="cpu")
    other = tmp_path / "linear.pth"
    torch.save(nn.Linear(2, 2).state_dict(), other)
    with pytest.raises(CheckpointError, match=r"is not the PANNs checkpoint Cnn14_16k_mAP=0\.438\.pth: missing"):
        panns_inference.PLUGIN.load(other, sample_rate=16_000, device="cpu")
    with pytest.raises(ReaudioError, match="not at 8000 Hz"):
        panns_inference.PLUGIN.load(checkpoint, sample_rate=8_000, device="cpu")


def test_a_package_that_cannot_be_imported_is_one_sentence(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "panns_inference").mkdir()
    (tmp_path / "panns_inference" / "__init__.py").write_text("import a_module_of_librosa")
    monkeypatch.syspath_prepend(tmp_path)
    forget("panns_inference")
    with pytest.raises(
        ReaudioError, match=r"cannot be imported \(No module named 'a_module_of_librosa'\).*reaudio-eval\[reference\]"
    ):
        panns_inference.PLUGIN.load(checkpoint, sample_rate=16_000, device="cpu")


def activated(checkpoint: Path, protocol: str) -> ActiveEmbedder | Undefined:
    return activate(
        "panns_inference",
        panns_inference.PLUGIN.spec,
        get_protocol(protocol),
        checkpoint=checkpoint,
        cache_dir=checkpoint.parent,
        device="cpu",
        allow_download=False,
    )


def test_without_the_package_its_metrics_say_how_to_install_it(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = activated(checkpoint, "fadtk")
    assert found == Undefined('needs the package panns_inference: pip install "reaudio-eval[reference]"')
    with pytest.raises(ReaudioError, match=r'panns_inference: pip install "reaudio-eval\[reference\]"'):
        panns_inference.PLUGIN.load(checkpoint, sample_rate=16_000, device="cpu")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("protocol", "rate"), [("audioldm-eval-2023-06", 16_000), ("audioldm-eval-2023-06-32k", 32_000), ("fadtk", 32_000)]
)
def test_protocols_treat_it_as_panns(checkpoint: Path, protocol: str, rate: int) -> None:
    """Where a protocol says nothing of PANNs, the rate is that of the package."""
    found = activated(checkpoint, protocol)
    assert isinstance(found, ActiveEmbedder)
    assert (found.sample_rate, found.rule) == (rate, get_protocol(protocol).rule("panns"))
