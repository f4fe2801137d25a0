"""CLAP: both checkpoint layouts, crops and padding, text, and everything that must be refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

from reaudio_eval.embedders import TextEmbedder, _clap, _clap_keys, clap
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.weights import sha256_file

RATE = 48_000
# fp32 here against float64 there, in decibels, on noise
FRONT_END_TOLERANCE_DB = 1e-3
# coordinates of unit vectors, through the front end and the network
EMBEDDING_TOLERANCE = 1e-4
BATCH_TOLERANCE = 1e-5
SENTENCES = (
    "a dog barks at the rain",
    "an engine starts and stops",
    "birds sing while a man speaks",
    "rain",
    *_clap.SELF_TEST_TEXTS,
)
Noise = Callable[..., npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def tokenizer_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small byte-level BPE tokenizer in RoBERTa's files."""
    folder = tmp_path_factory.mktemp("roberta")
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(SENTENCES, vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    trained.save_model(str(folder))
    (folder / "config.json").write_text('{"model_type": "roberta"}')
    return folder


def copy_files(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if not (target / path.name).exists():
            (target / path.name).write_bytes(path.read_bytes())


@pytest.fixture(scope="module")
def model(tokenizer_files: Path) -> ClapModel:
    """A small ClapModel whose random weights are large enough for texts to differ."""
    torch.manual_seed(0)
    config = ClapConfig(
        projection_dim=16,
        audio_config={
            "patch_embeds_hidden_size": 8,
            "hidden_size": 64,
            "depths": [1, 2, 1, 1],
            "num_attention_heads": [1, 1, 2, 2],
        },
        text_config={
            "vocab_size": len(json.loads((tokenizer_files / "vocab.json").read_text())),
            "hidden_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "max_position_embeddings": 82,
            "layer_norm_eps": 1e-5,
        },
    )
    model = ClapModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(6)
    return model


@pytest.fixture
def folder(tmp_path: Path, model: ClapModel, tokenizer_files: Path) -> Path:
    path = tmp_path / "clap-folder"
    model.save_pretrained(path)
    copy_files(tokenizer_files, path)
    return path


def laion_state(model: ClapModel) -> dict[str, Tensor]:
    """A ClapModel in LAION's names: the inverse of what is loaded, written down independently."""
    names = (
        (r"^audio_model\.audio_encoder\.", "audio_branch."),
        (r"^text_model\.", "text_branch."),
        (r"_projection\.linear1\.", "_projection.0."),
        (r"_projection\.linear2\.", "_projection.2."),
        (r"\.batch_norm\.", ".bn0."),
        (r"\.layernorm_before\.", ".norm1."),
        (r"\.layernorm_after\.", ".norm2."),
        (r"(blocks\.\d+)\.attention\.output\.dense\.", r"\1.attn.proj."),
        (r"(blocks\.\d+)\.attention\.self\.", r"\1.attn."),
        (r"(blocks\.\d+)\.intermediate\.dense\.", r"\1.mlp.fc1."),
        (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    )
    renamed = {}
    for key, value in model.state_dict().items():
        for pattern, replacement in names:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    fused = {}
    for key, value in renamed.items():
        if ".attn.query." in key:
            parts = [renamed[key.replace("query", part)] for part in ("query", "key", "value")]
            fused[key.replace("query", "qkv")] = torch.cat(parts)
        elif ".attn.key." not in key and ".attn.value." not in key and "token_type_ids" not in key:
            fused[key] = value
    extra = {
        "audio_branch.spectrogram_extractor.stft.conv_real.weight": torch.zeros(513, 1, 1024),
        "audio_branch.logmel_extractor.melW": torch.zeros(513, 64),
        "audio_branch.layers.0.blocks.0.attn_mask": torch.zeros(2, 64, 64),
        "audio_branch.tscam_conv.weight": torch.zeros(3, 64, 2, 3),
        "audio_branch.head.weight": torch.zeros(3, 3),
        "text_transform.sequential.0.weight": torch.zeros(16, 16),
        "audio_transform.sequential.3.bias": torch.zeros(16),
    }
    return {f"module.{key}": value.clone() for key, value in (fused | extra).items()}


def save_laion(path: Path, state: Mapping[str, Tensor]) -> Path:
    """As LAION's training wrote it: epoch, name, and an optimizer with a NumPy learning rate."""
    optimizer = {
        "state": {0: {"step": 3, "exp_avg": torch.zeros(4)}},
        "param_groups": [{"lr": np.float64(1e-4), "params": [0]}],
    }
    torch.save({"epoch": 15, "name": "small", "state_dict": dict(state), "optimizer": optimizer}, path)
    return path


@pytest.fixture
def laion_file(tmp_path: Path, model: ClapModel, tokenizer_files: Path) -> Path:
    folder = tmp_path / "laion"
    copy_files(tokenizer_files, folder / "tokenizer")
    return save_laion(folder / "small.pt", laion_state(model))


def load(path: Path, **kwargs: Any) -> TextEmbedder:
    return clap.load(path, sample_rate=RATE, device="cpu", **kwargs)


@pytest.fixture
def embedder(folder: Path) -> TextEmbedder:
    return load(folder)


# --- both layouts ---


def test_both_layouts_give_the_model_back(
    folder: Path, laion_file: Path, model: ClapModel, noise: Noise, tmp_path: Path
) -> None:
    clip = noise(10 * RATE)
    extractor = ClapFeatureExtractor(frequency_min=50, frequency_max=14_000, truncation="rand_trunc", padding="repeatpad")
    inputs = extractor(clip, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        expected = model.get_audio_features(inputs["input_features"].float()).pooler_output.numpy()
    for path in (folder, laion_file):
        embedder = load(path, cache_dir=tmp_path)
        (features,) = embedder.embed([clip])
        np.testing.assert_allclose(features.frames, expected, atol=EMBEDDING_TOLERANCE)
        assert features.logits is None
    np.testing.assert_array_equal(load(folder).embed_text(SENTENCES), load(laion_file).embed_text(SENTENCES))


def test_fits_the_contract(folder: Path, laion_file: Path) -> None:
    for path, weights in ((folder, folder / "model.safetensors"), (laion_file, laion_file)):
        embedder = load(path)
        assert isinstance(embedder, TextEmbedder)
        assert embedder.sample_rate == RATE
        assert embedder.sha256 == sha256_file(weights)
        assert embedder.embed([]) == []
        assert embedder.embed_text([]).shape == (0, 16)


@pytest.mark.parametrize(
    ("file", "width"), [("630k-audioset-best.pt", 96), ("music_speech_audioset_epoch_15_esc_89.98.pt", 128)]
)
def test_published_layouts_map_completely(shared: Path, file: str, width: int) -> None:
    tables = json.loads((shared / "data" / "state_dict_keys.json").read_text())
    (table,) = (value for key, value in tables.items() if key.startswith(file))
    with torch.device("meta"):
        state = _clap_keys.rename({key: torch.empty(shape) for key, shape in table.items()})
        config = ClapConfig(**_clap_keys.config_kwargs(state))
        expected = {key: value.shape for key, value in ClapModel(config).state_dict().items()}
    buffers = {"text_model.embeddings.position_ids", "text_model.embeddings.token_type_ids"}
    assert {key: value.shape for key, value in state.items()} == {k: v for k, v in expected.items() if k not in buffers}
    assert config.audio_config.patch_embeds_hidden_size == width
    assert config.text_config.num_attention_heads == 12


# --- audio ---


def test_front_end_equals_the_feature_extractor(noise: Noise) -> None:
    clip = noise(10 * RATE)
    extractor = ClapFeatureExtractor(frequency_min=50, frequency_max=14_000, truncation="rand_trunc")
    expected = extractor(clip, sampling_rate=RATE, return_tensors="np")["input_features"][0]
    found = _clap.LogMel()(torch.from_numpy(clip)[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=FRONT_END_TOLERANCE_DB)


def test_only_the_first_ten_seconds_count(embedder: TextEmbedder, noise: Noise) -> None:
    clip = noise(10 * RATE + 11_520)  # 10.24 s, what AudioLDM writes
    other_tail = np.concatenate([clip[: 10 * RATE], noise(11_520, seed=9)])
    for features in embedder.embed([other_tail, clip[: 10 * RATE]]):
        np.testing.assert_allclose(features.frames, embedder.embed([clip])[0].frames, atol=BATCH_TOLERANCE)


@pytest.mark.parametrize("samples", [1, 4800, 150_000, 479_999])
def test_short_clips_are_repeated_whole_and_then_padded(embedder: TextEmbedder, noise: Noise, samples: int) -> None:
    clip = noise(samples)
    repeats = 480_000 // samples
    by_hand = np.concatenate([clip] * repeats + [np.zeros(480_000 - repeats * samples, np.float32)])
    one, other = embedder.embed([clip, by_hand])
    np.testing.assert_array_equal(one.frames, other.frames)


def test_embeddings_are_unit_vectors_and_do_not_depend_on_batch_or_order(embedder: TextEmbedder, noise: Noise) -> None:
    clips = [noise(samples, seed) for seed, samples in enumerate((480_000, 100_000, 500_000))]
    together, backwards = embedder.embed(clips), embedder.embed(clips[::-1])[::-1]
    for clip, *batched in zip(clips, together, backwards, strict=True):
        (alone,) = embedder.embed([clip])
        assert math.isclose(float(np.linalg.norm(alone.frames)), 1.0, rel_tol=BATCH_TOLERANCE)
        for features in batched:
            np.testing.assert_allclose(features.frames, alone.frames, atol=BATCH_TOLERANCE)


# --- text ---


def test_text_equals_padding_to_77_tokens_as_laion_does(embedder: TextEmbedder, folder: Path, model: ClapModel) -> None:
    tokenizer = _clap.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    inputs = tokenizer(list(SENTENCES), padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    with torch.inference_mode():
        expected = model.get_text_features(inputs["input_ids"], inputs["attention_mask"]).pooler_output.numpy()
    np.testing.assert_allclose(embedder.embed_text(SENTENCES), expected, atol=BATCH_TOLERANCE)


def test_text_is_cut_at_77_tokens(embedder: TextEmbedder) -> None:
    long = "rain " * 200
    np.testing.assert_array_equal(embedder.embed_text([long]), embedder.embed_text([long + " and a dog barks"]))


def test_text_does_not_depend_on_the_other_captions(embedder: TextEmbedder) -> None:
    together = embedder.embed_text(SENTENCES)
    assert together.dtype == np.float32
    for row, caption in zip(together, SENTENCES, strict=True):
        np.testing.assert_allclose(row, embedder.embed_text([caption])[0], atol=BATCH_TOLERANCE)


def test_unrelated_captions_differ(embedder: TextEmbedder) -> None:
    similarity = embedder.embed_text(SENTENCES) @ embedder.embed_text(SENTENCES).T
    assert np.diag(similarity) == pytest.approx(1.0, abs=BATCH_TOLERANCE)
    assert (similarity[~np.eye(len(SENTENCES), dtype=bool)] < _clap.SELF_TEST_COSINE).all()


# --- tokenizers ---


def test_the_tokenizer_is_found_in_the_cache_folder(laion_file: Path, tmp_path: Path) -> None:
    (laion_file.parent / "tokenizer").rename(tmp_path / "cache-tokenizer")
    copy_files(tmp_path / "cache-tokenizer", tmp_path / "cache" / "tokenizer")
    assert load(laion_file, cache_dir=tmp_path / "cache").embed_text(["rain"]).shape == (1, 16)


def test_a_missing_tokenizer_is_an_error_with_the_remedy(
    laion_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (laion_file.parent / "tokenizer").rename(tmp_path / "elsewhere")
    monkeypatch.setattr(_clap, "HUB_TOKENIZERS", ())
    with pytest.raises(CheckpointError, match=r"no tokenizer for .*small\.pt: put tokenizer\.json and config\.json of Face"):
        load(laion_file)


def test_the_empty_five_token_tokenizer_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    monkeypatch.setattr(_clap, "HUB_TOKENIZERS", ())
    with pytest.raises(CheckpointError, match=r"has 5 tokens, the text encoder reads \d+"):
        load(folder)


# --- refusals ---


def test_a_collapsed_text_encoder_is_refused(tmp_path: Path, model: ClapModel, laion_file: Path) -> None:
    state = laion_state(model)
    state["module.text_projection.2.weight"].zero_()
    state["module.text_projection.2.bias"].fill_(1.0)
    path = save_laion(laion_file.parent / "collapsed.pt", state)
    with pytest.raises(CheckpointError, match=r"collapsed\.pt gives two unrelated sentences the cosine 1\.0000"):
        load(path)


def test_laion_fusion_files_are_refused(laion_file: Path, model: ClapModel) -> None:
    state = laion_state(model) | {"module.audio_branch.patch_embed.mel_conv2d.bias": torch.zeros(8)}
    path = save_laion(laion_file.parent / "fusion.pt", state)
    with pytest.raises(CheckpointError, match=r"fusion\.pt is a CLAP model with feature fusion"):
        load(path)


def test_fusion_folders_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["audio_config"]["enable_fusion"] = True
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="feature fusion"):
        load(folder)


def test_a_file_without_an_htsat_encoder_is_refused(tmp_path: Path) -> None:
    path = save_laion(tmp_path / "cnn.pt", {"module.audio_branch.conv_block1.conv1.weight": torch.zeros(2, 2)})
    with pytest.raises(CheckpointError, match=r"cnn\.pt is not a LAION-CLAP checkpoint with an HTSAT audio encoder"):
        load(path)


def test_a_missing_tensor_is_named(laion_file: Path, model: ClapModel) -> None:
    state = laion_state(model)
    del state["module.audio_branch.patch_embed.norm.bias"]
    path = save_laion(laion_file.parent / "partial.pt", state)
    with pytest.raises(CheckpointError, match=r"missing: audio_model\.audio_encoder\.patch_embed\.norm\.bias\."):
        load(path)


def test_a_truncated_folder_is_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is truncated or damaged"):
        load(folder)


@pytest.mark.parametrize("content", [None, "{", '{"model_type": "bert"}'])
def test_a_folder_without_a_clap_config_is_refused(folder: Path, content: str | None) -> None:
    (folder / "config.json").unlink()
    if content:
        (folder / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json|is not a CLAP checkpoint"):
        load(folder)


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"has no model\.safetensors or pytorch_model\.bin"):
        load(folder)


def test_only_48_khz(folder: Path) -> None:
    with pytest.raises(ReaudioError, match="LAION-CLAP works at 48000 Hz, not at 16000 Hz"):
        clap.load(folder, sample_rate=16_000, device="cpu")
