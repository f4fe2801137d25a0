"""MS-CLAP: networks against the published implementation, crops, tokens, batching, bad checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from batches import assert_independent_of_batch_and_order
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor, nn
from transformers import AutoTokenizer

from reaudio_eval.features.embedders import _msclap, msclap
from reaudio_model.common.errors import CheckpointError, ReaudioError

RATE = 44_100
BATCH_TOLERANCE = 1e-5
# another CPU sums in another order
GOLDEN_TOLERANCE = 1e-4
CAPTIONS = ("rain", "a dog barks at the rain", "an engine starts and stops", "rain!")
Noise = Callable[..., npt.NDArray[np.float32]]
Weights = Callable[[nn.Module], dict[str, Tensor]]


def published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keys of :class:`MsClap` in the names of ``CLAP_weights_2023.pth``, written down independently, with what is not read."""
    parts = {"query": 0, "key": 1, "value": 2}
    names = (
        ("audio.audio_encoder.batch_norm.", "audio_encoder.base.htsat.bn0."),
        ("audio.audio_encoder.", "audio_encoder.base.htsat."),
        ("spectrogram_extractor.", "audio_encoder.base.htsat.spectrogram_extractor."),
        ("logmel_extractor.", "audio_encoder.base.htsat.logmel_extractor."),
        ("audio_projection.", "audio_encoder.projection."),
        ("text_projection.", "caption_encoder.projection."),
        ("text.", "caption_encoder.base."),
    )
    inner = {
        ".layernorm_before.": ".norm1.", ".layernorm_after.": ".norm2.", ".attention.output.dense.": ".attn.proj.",
        ".attention.self.": ".attn.", ".intermediate.dense.": ".mlp.fc1.", ".output.dense.": ".mlp.fc2.",
    }  # fmt: skip
    found: dict[str, Tensor] = {}
    fused: dict[str, list[Tensor]] = {}
    for key, value in state.items():
        prefix, theirs = next(pair for pair in names if key.startswith(pair[0]))
        name = theirs + key.removeprefix(prefix)
        if key.startswith("audio.audio_encoder."):
            for ours, other in inner.items():
                name = name.replace(ours, other)
        part = next((p for p in parts if f".attn.{p}." in name), None)
        if part is None:
            found[name] = value
        else:
            fused.setdefault(name.replace(f".attn.{part}.", ".attn.qkv."), [value] * 3)[parts[part]] = value
    extra = {
        "logit_scale": torch.tensor(4.6),
        "audio_encoder.base.htsat.tscam_conv.weight": torch.zeros(3, 16, 2, 3),
        "audio_encoder.base.htsat.head.weight": torch.zeros(3, 3),
        "audio_encoder.base.htsat.layers.0.blocks.0.attn_mask": torch.zeros(2, 64, 64),
        "caption_encoder.base.h.0.attn.bias": torch.zeros(1, 1, 8, 8),
        "caption_encoder.base.h.0.attn.masked_bias": torch.tensor(-1e4),
    }
    return found | {name: torch.cat(values) for name, values in fused.items()} | extra


@pytest.fixture
def size(tmp_path: Path) -> _msclap.Size:
    """A small network whose vocabulary is that of the tokenizer beside it, in GPT-2's files and with its order: "!" is token 0."""
    folder = tmp_path / "gpt2_tokenizer"
    folder.mkdir()
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(CAPTIONS, vocab_size=300)
    trained.save_model(str(folder))
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert tokenizer.convert_tokens_to_ids("!") == 0
    return _msclap.Size(8, (1, 2), (1, 2), 16, 2, 2, len(tokenizer), 12)


@pytest.fixture
def checkpoint(tmp_path: Path, size: _msclap.Size, closed_form_weights: Weights) -> Path:
    path = tmp_path / "CLAP_small.pth"
    network = _msclap.MsClap(size)
    index = {key: value for key, value in network.state_dict().items() if key.endswith("relative_position_index")}
    torch.save({"model": published(closed_form_weights(network) | index)}, path)
    return path


@pytest.fixture
def embedder(checkpoint: Path, size: _msclap.Size) -> _msclap.MsClapEmbedder:
    return load(checkpoint, size)


def load(path: Path, size: _msclap.Size) -> _msclap.MsClapEmbedder:
    return _msclap.load(path, msclap.PLUGIN.spec, sample_rate=RATE, device="cpu", cache_dir=None, size=size)


def test_shapes(embedder: _msclap.MsClapEmbedder, noise: Noise) -> None:
    (features,) = embedder.embed([noise(RATE)])
    assert features.frames.shape == (1, 12)
    assert features.logits is None
    text = embedder.embed_text(CAPTIONS)
    assert text.shape == (4, 12)
    assert text.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(text, axis=1), 1.0, atol=BATCH_TOLERANCE)


def test_the_head_of_a_long_clip_is_read_and_a_short_one_repeated(embedder: _msclap.MsClapEmbedder, noise: Noise) -> None:
    long, short = noise(9 * RATE), noise(3 * RATE)
    repeated = np.concatenate([short, short, short])[: 7 * RATE]
    found = embedder.embed([long, long[: 7 * RATE], short, repeated])
    np.testing.assert_array_equal(found[0].frames, found[1].frames)
    np.testing.assert_array_equal(found[2].frames, found[3].frames)
    assert np.abs(found[0].frames - found[2].frames).max() > 100 * BATCH_TOLERANCE


def test_a_caption_is_the_state_at_its_last_token(embedder: _msclap.MsClapEmbedder) -> None:
    """msclap's loop: pad to 77 with token 0, and read the state at the number of other tokens."""
    network, tokenizer = embedder._network, embedder._tokenizer
    expected = []
    for caption in CAPTIONS:
        ids = tokenizer(caption + " <|endoftext|>")["input_ids"]
        padded = torch.tensor([ids + [0] * (77 - len(ids))])
        with torch.no_grad():
            states = network.text(input_ids=padded, attention_mask=(torch.arange(77) < len(ids)).long()[None])[0][0]
            vector = network.text_projection(states[int((padded != 0).sum()) - 1])
        expected.append((vector / vector.norm()).numpy())
    np.testing.assert_allclose(embedder.embed_text(CAPTIONS), expected, atol=BATCH_TOLERANCE)


def test_long_captions_are_cut_at_77_tokens(embedder: _msclap.MsClapEmbedder) -> None:
    long = "rain " * 90
    one, other = embedder.embed_text([long, long + "and a dog barks"])
    np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_features_do_not_depend_on_batch_or_order(embedder: _msclap.MsClapEmbedder, noise: Noise) -> None:
    clips = [noise(samples, seed) for seed, samples in enumerate((64_000, 40_000, 330_000))]
    assert_independent_of_batch_and_order(embedder, clips, BATCH_TOLERANCE)
    texts = embedder.embed_text(CAPTIONS)
    np.testing.assert_allclose(embedder.embed_text(CAPTIONS[::-1])[::-1], texts, atol=BATCH_TOLERANCE)


def test_layout_is_the_published_one() -> None:
    """Of ``CLAP`` of msclap 1.3.4: each key has its place, and what is not read is a classifier, a mask or the temperature."""
    with torch.device("meta"):
        state = _msclap.MsClap(_msclap.PUBLISHED).state_dict()
    names = published(state)
    assert len(_msclap.renamed(names)) == len(state)
    assert names["audio_encoder.base.htsat.layers.3.blocks.1.attn.qkv.weight"].shape == (2304, 768)
    assert names["audio_encoder.base.htsat.logmel_extractor.melW"].shape == (513, 64)
    assert names["audio_encoder.projection.linear1.weight"].shape == (1024, 768)
    assert names["caption_encoder.base.wte.weight"].shape == (50_257, 768)
    assert names["caption_encoder.base.h.11.attn.c_attn.weight"].shape == (768, 2304)
    assert names["caption_encoder.projection.linear2.weight"].shape == (1024, 1024)


def test_without_the_tokenizer_the_folder_is_named(checkpoint: Path, size: _msclap.Size) -> None:
    (checkpoint.parent / "gpt2_tokenizer").rename(checkpoint.parent / "elsewhere")
    with pytest.raises(
        CheckpointError, match=r"put tokenizer\.json and config\.json of openai-community/gpt2 into .*gpt2_tokenizer"
    ):
        load(checkpoint, size)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "linear.pth"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"is not the MS-CLAP checkpoint CLAP_weights_2023\.pth"):
        msclap.PLUGIN.load(path, sample_rate=RATE, device="cpu")


def test_only_44_khz(checkpoint: Path) -> None:
    with pytest.raises(ReaudioError, match="MS-CLAP 2023 works at 44100 Hz, not at 48000 Hz"):
        msclap.PLUGIN.load(checkpoint, sample_rate=48_000, device="cpu")
