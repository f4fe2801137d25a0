"""CLAP as an embedder: the contract, agreement with the model beneath it (tests/reaudio_model/test_clap.py), batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from batches import assert_independent_of_batch_and_order
from clap_files import SENTENCES, laion_state, save_laion, small_clap, write_folder, write_laion, write_tokenizer
from transformers import ClapModel

from reaudio_eval.features.embedders import TextEmbedder, clap
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.weights import sha256_file
from reaudio_model.encoders.clap import EXAMPLE, HUB_TOKENIZERS, load_clap

RATE = 48_000
BATCH_TOLERANCE = 1e-5
Noise = Callable[..., npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ClapModel:
    folder = tmp_path_factory.mktemp("roberta")
    write_tokenizer(folder)
    return small_clap(folder)


@pytest.fixture
def folder(tmp_path: Path, model: ClapModel) -> Path:
    return write_folder(tmp_path / "clap-folder", model)


@pytest.fixture
def laion_file(tmp_path: Path, model: ClapModel) -> Path:
    return write_laion(tmp_path / "laion", model)


def load(path: Path) -> TextEmbedder:
    return clap.PLUGIN.load(path, sample_rate=RATE, device="cpu")


def test_both_layouts_fit_the_contract_and_agree_with_the_model(folder: Path, laion_file: Path, noise: Noise) -> None:
    clip = noise(3 * RATE)
    for path, weights in ((folder, folder / "model.safetensors"), (laion_file, laion_file)):
        embedder = load(path)
        beneath = load_clap(path, device=torch.device("cpu"))
        assert isinstance(embedder, TextEmbedder)
        assert embedder.sample_rate == RATE
        assert embedder.sha256 == sha256_file(weights)
        (features,) = embedder.embed([clip])
        np.testing.assert_array_equal(features.frames, beneath.embed_audio([clip]).numpy())
        assert features.logits is None
        np.testing.assert_array_equal(embedder.embed_text(SENTENCES), beneath.embed_text(SENTENCES).numpy())
        assert embedder.embed([]) == []
        assert embedder.embed_text([]).shape == (0, 16)


def test_only_the_first_ten_seconds_count(folder: Path, noise: Noise) -> None:
    clip = noise(10 * RATE + 11_520)  # 10.24 s, what AudioLDM writes
    other_tail = np.concatenate([clip[: 10 * RATE], noise(11_520, seed=9)])
    one, other = load(folder).embed([other_tail, clip])
    np.testing.assert_array_equal(one.frames, other.frames)


def test_embeddings_are_unit_vectors_and_do_not_depend_on_batch_or_order(folder: Path, noise: Noise) -> None:
    embedder = load(folder)
    clips = [noise(samples, seed) for seed, samples in enumerate((480_000, 100_000, 1))]
    for features in embedder.embed(clips):
        assert math.isclose(float(np.linalg.norm(features.frames)), 1.0, rel_tol=BATCH_TOLERANCE)
    assert_independent_of_batch_and_order(embedder, clips, BATCH_TOLERANCE)


def test_the_file_and_the_tokenizer_named_in_messages_are_the_published_ones() -> None:
    assert clap.PLUGIN.spec.checkpoints[0].filename == EXAMPLE
    assert clap.PLUGIN.spec.tokenizer == HUB_TOKENIZERS[0]


def test_infinite_features_are_refused(laion_file: Path, model: ClapModel) -> None:
    state = laion_state(model)
    state["module.audio_projection.2.bias"].fill_(torch.finfo(torch.float32).max)  # finite weights, an infinite norm
    state["module.audio_projection.2.weight"].fill_(torch.finfo(torch.float32).max)
    path = save_laion(laion_file.parent / "huge.pt", state)
    with pytest.raises(CheckpointError, match=r"huge\.pt gives infinite or undefined features"):
        load(path)


def test_only_48_khz(folder: Path) -> None:
    with pytest.raises(ReaudioError, match="LAION-CLAP works at 48000 Hz, not at 16000 Hz"):
        clap.PLUGIN.load(folder, sample_rate=16_000, device="cpu")
