"""Both taggers: shapes, independence of the batch, files and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from reaudio_model.common.errors import CheckpointError
from reaudio_model.encoders.tagger_files import Architecture, load_tagger, new_tagger, save_tagger

CPU = torch.device("cpu")
CLASSES = ("bell", "dog", "rain")
ARCHITECTURES: tuple[Architecture, ...] = ("cnn", "recurrent")
ROUNDING = 1e-5  # float32 sums in another order


def waveforms(n: int = 3) -> torch.Tensor:
    return 0.1 * torch.randn(n, 16_000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_clip_does_not_depend_on_its_batch(architecture: Architecture) -> None:
    tagger = new_tagger(architecture, 3).eval()
    together = tagger(waveforms())
    assert together.logits.shape == (3, 3)
    assert together.embedding.shape == (3, 128)
    assert (together.embedding >= 0).all()
    for i in range(3):
        torch.testing.assert_close(tagger(waveforms()[i : i + 1]).logits[0], together.logits[i], atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_parameter_gets_a_gradient(architecture: Architecture) -> None:
    torch.manual_seed(
        0
    )  # a rectifier that is silent for all of a few clips has no gradient; most random weights have none such
    tagger = new_tagger(architecture, 3)
    tagger(waveforms()).logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tagger.parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_files_give_the_tagger_back(architecture: Architecture, tmp_path: Path) -> None:
    tagger = new_tagger(architecture, 3).eval()
    save_tagger(tagger, CLASSES, tmp_path)
    found = load_tagger(tmp_path, device=CPU)
    assert found.classes == CLASSES
    torch.testing.assert_close(found.network(waveforms()).logits, tagger(waveforms()).logits, atol=ROUNDING, rtol=0)


def test_half_precision_files_run_in_float32(tmp_path: Path) -> None:
    save_tagger(new_tagger("cnn", 3).half(), CLASSES, tmp_path)
    assert load_tagger(tmp_path, device=CPU).network(waveforms()).logits.dtype == torch.float32


@pytest.mark.parametrize("change", [{"classes": 3}, {"architecture": "svm"}, {"colour": 1}, {"embedding": "wide"}])
def test_a_damaged_configuration_is_one_sentence(tmp_path: Path, change: dict[str, object]) -> None:
    save_tagger(new_tagger("recurrent", 3), CLASSES, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    if change == {"classes": 3}:
        (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"is not a saved tagger: its config\.json is missing or damaged"):
        load_tagger(tmp_path, device=CPU)


def test_weights_of_other_sizes_are_refused(tmp_path: Path) -> None:
    save_tagger(new_tagger("recurrent", 4), CLASSES, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | {"n_classes": 3}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="a tagger of the sizes"):
        load_tagger(tmp_path, device=CPU)
