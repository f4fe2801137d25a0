"""The embedder laion_clap, with a stand-in for the package; ``make crosscheck`` runs it with the package itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest
import torch
import transformers
from clap_files import SENTENCES, save_laion, write_tokenizer
from reference_packages import forget, laion_clap_state, write_laion_clap

from reaudio_eval.features.embedders import TextEmbedder, _laion_clap, laion_clap
from reaudio_eval.features.protocols import get_protocol
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.weights import sha256_file

RATE = 48_000
BATCH_TOLERANCE = 1e-6
Noise = Callable[..., npt.NDArray[np.float32]]


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """In LAION's layout with its tokenizer beside it, and the package importable."""
    write_tokenizer(tmp_path / "tokenizer")
    n_words = len(json.loads((tmp_path / "tokenizer" / "vocab.json").read_text()))
    write_laion_clap(tmp_path / "packages", n_words)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setattr(transformers, "RobertaModel", type("Roberta", (), {"__init__": lambda self, config: None}))
    monkeypatch.setattr(transformers.RobertaModel, "from_pretrained", lambda name: 1 / 0, raising=False)
    same = SimpleNamespace(sha256="identity of the network")  # the stand-in's weights are no whole CLAP
    monkeypatch.setattr(_laion_clap, "load_clap", lambda path, **_: same)
    forget("laion_clap")
    yield save_laion(tmp_path / "small.pt", laion_clap_state(n_words))
    forget("laion_clap")


def load(path: Path) -> TextEmbedder:
    return laion_clap.PLUGIN.load(path, sample_rate=RATE, device="cpu")


def test_weights_and_tokenizer_are_those_given_and_nothing_is_downloaded(checkpoint: Path, noise: Noise) -> None:
    random, loader = torch.random.get_rng_state(), transformers.BertTokenizer.from_pretrained
    embedder = load(checkpoint)
    assert isinstance(embedder, TextEmbedder)
    assert embedder.sha256 == sha256_file(checkpoint)
    assert embedder.encoder_sha256 == "identity of the network"
    assert torch.equal(torch.random.get_rng_state(), random)
    assert transformers.BertTokenizer.from_pretrained == loader, "the stand-in for the hub stays"
    words = torch.load(checkpoint, weights_only=False)["state_dict"]["module.text_branch.embeddings.word_embeddings.weight"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint.parent / "tokenizer")
    expected = np.stack([words[tokenizer(text)["input_ids"]].mean(0).numpy() for text in SENTENCES])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.embed_text(SENTENCES), expected, rtol=1e-5, atol=1e-6)
    assert embedder.embed_text([]).shape == (0, 16)
    assert embedder.embed([]) == []


def test_the_head_of_long_clips_is_used_and_batches_do_not_matter(checkpoint: Path, noise: Noise) -> None:
    embedder = load(checkpoint)
    long = noise(10 * RATE + 11_520)
    clips = [long, noise(100_000, 1), np.concatenate([long[: 10 * RATE], noise(11_520, 9)]), noise(1, 3)]
    together, backwards = embedder.embed(clips), embedder.embed(clips[::-1])[::-1]
    for clip, *batched in zip(clips, together, backwards, strict=True):
        (alone,) = embedder.embed([clip])
        for features in batched:
            np.testing.assert_allclose(features.frames, alone.frames, atol=BATCH_TOLERANCE)
    np.testing.assert_array_equal(together[0].frames, together[2].frames)
    assert not np.allclose(together[0].frames, together[1].frames)


def test_other_files_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=False)["state_dict"]
    fusion = save_laion(
        tmp_path / "fusion.pt", state | {"module.audio_branch.patch_embed.mel_conv2d.weight": torch.zeros(2)}
    )
    with pytest.raises(CheckpointError, match="feature fusion"):
        load(fusion)
    wide = save_laion(
        tmp_path / "wide.pt", state | {"module.audio_branch.patch_embed.proj.weight": torch.zeros(97, 1, 4, 4)}
    )
    with pytest.raises(CheckpointError, match="is not a LAION-CLAP checkpoint with an HTSAT audio encoder"):
        load(wide)
    more = save_laion(tmp_path / "more.pt", state | {"module.audio_branch.extra": torch.zeros(2)})
    with pytest.raises(CheckpointError, match=r"unexpected: audio_branch\.extra"):
        load(more)
    flat = dict(state)
    flat["module.text_branch.embeddings.word_embeddings.weight"] = torch.ones_like(
        state["module.text_branch.embeddings.word_embeddings.weight"]
    )
    with pytest.raises(CheckpointError, match="two unrelated sentences the cosine"):
        load(save_laion(tmp_path / "flat.pt", flat))
    with pytest.raises(ReaudioError, match="48000 Hz, not at 16000 Hz"):
        laion_clap.PLUGIN.load(checkpoint, sample_rate=16_000, device="cpu")


def test_protocols_treat_it_as_clap() -> None:
    assert laion_clap.PLUGIN.spec.same_as == "clap"
    assert get_protocol("audioldm-eval-2023-06").rule("clap").rates == (32_000, 48_000)
