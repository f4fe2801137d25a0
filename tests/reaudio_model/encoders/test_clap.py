"""CLAP: both checkpoint layouts, crops and padding, text, tokenizers, and everything that must be refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from clap_files import SENTENCES, laion_state, save_laion, small_clap, write_folder, write_laion, write_tokenizer
from tiny_model import tiny_clap, tiny_tokenizer
from transformers import AutoTokenizer, ClapConfig, ClapFeatureExtractor, ClapModel

from reaudio_model.common.errors import CheckpointError
from reaudio_model.encoders import clap as clap_module
from reaudio_model.encoders import clap_keys
from reaudio_model.encoders.clap import SELF_TEST_COSINE, Clap, load_clap
from reaudio_model.encoders.clap_front_end import LAION, ClapFrontEnd, LogMel, front_end_of

RATE = 48_000
CPU = torch.device("cpu")
# fp32 here against float64 there, in decibels, on noise
FRONT_END_TOLERANCE_DB = 1e-3
# coordinates of unit vectors, through the front end and the network
EMBEDDING_TOLERANCE = 1e-4
BATCH_TOLERANCE = 1e-5


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


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


@pytest.fixture
def clap(folder: Path) -> Clap:
    return load_clap(folder, device=CPU)


# --- both layouts ---


def test_both_layouts_give_the_model_back(folder: Path, laion_file: Path, model: ClapModel, tmp_path: Path) -> None:
    clip = noise(10 * RATE)
    extractor = ClapFeatureExtractor(frequency_min=50, frequency_max=14_000, truncation="rand_trunc", padding="repeatpad")
    inputs = extractor(clip, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        expected = model.get_audio_features(inputs["input_features"].float()).pooler_output
    one, other = load_clap(folder, device=CPU), load_clap(laion_file, device=CPU, cache_dir=tmp_path)
    for clap in (one, other):
        torch.testing.assert_close(clap.embed_audio([clip]), expected.clone(), atol=EMBEDDING_TOLERANCE, rtol=0)
    # not to the bit: how a weight is aligned in memory decides which kernel some CPUs take
    torch.testing.assert_close(one.embed_text(SENTENCES), other.embed_text(SENTENCES), atol=EMBEDDING_TOLERANCE, rtol=0)
    assert one.sha256 == other.sha256
    assert one.dim == 16


def test_the_identity_follows_weights_and_vocabulary() -> None:
    clap = tiny_clap()
    assert clap.sha256 == tiny_clap().sha256
    assert clap.sha256 != tiny_clap(seed=1).sha256
    assert clap.sha256 != Clap(clap.network, tiny_tokenizer("t5")).sha256


@pytest.mark.parametrize(
    ("file", "width"), [("630k-audioset-best.pt", 96), ("music_speech_audioset_epoch_15_esc_89.98.pt", 128)]
)
def test_published_layouts_map_completely(shared: Path, file: str, width: int) -> None:
    tables = json.loads((shared / "data" / "state_dict_keys.json").read_text())
    (table,) = (value for key, value in tables.items() if key.startswith(file))
    with torch.device("meta"):
        state = clap_keys.rename({key: torch.empty(shape) for key, shape in table.items()})
        config = ClapConfig(**clap_keys.config_kwargs(state))
        expected = {key: value.shape for key, value in ClapModel(config).state_dict().items()}
    buffers = {"text_model.embeddings.position_ids", "text_model.embeddings.token_type_ids"}
    assert {key: value.shape for key, value in state.items()} == {k: v for k, v in expected.items() if k not in buffers}
    assert config.audio_config.patch_embeds_hidden_size == width
    assert config.text_config.num_attention_heads == 12


@pytest.mark.parametrize(("width", "depths"), [(96, [2, 2, 6, 2]), (128, [2, 2, 12, 2])], ids=["HTSAT-tiny", "HTSAT-base"])
def test_full_sizes_survive_laions_names(width: int, depths: list[int]) -> None:
    audio = {"patch_embeds_hidden_size": width, "hidden_size": 8 * width, "depths": depths}
    with torch.device("meta"):
        model = ClapModel(ClapConfig(audio_config=audio))
        renamed = clap_keys.rename(clap_keys.strip(laion_state(model)))
        rebuilt = ClapModel(ClapConfig(**clap_keys.config_kwargs(renamed)))
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    assert {key: value.shape for key, value in rebuilt.state_dict().items()} == shapes
    assert set(shapes) - set(renamed) <= {f"text_model.embeddings.{name}" for name in ("position_ids", "token_type_ids")}


# --- audio ---


def test_front_end_equals_the_feature_extractor() -> None:
    clip = noise(10 * RATE)
    extractor = ClapFeatureExtractor(frequency_min=50, frequency_max=14_000, truncation="rand_trunc")
    expected = extractor(clip, sampling_rate=RATE, return_tensors="np")["input_features"][0]
    found = LogMel()(torch.from_numpy(clip)[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=FRONT_END_TOLERANCE_DB)


def test_only_the_first_ten_seconds_count() -> None:
    clip = noise(10 * RATE + 11_520)  # 10.24 s, what AudioLDM writes
    np.testing.assert_array_equal(LAION.fit(clip), clip[: 10 * RATE])


@pytest.mark.parametrize("samples", [1, 4800, 150_000, 479_999])
def test_short_clips_are_repeated_whole_and_then_padded(samples: int) -> None:
    clip = noise(samples)
    repeats = 480_000 // samples
    by_hand = np.concatenate([clip] * repeats + [np.zeros(480_000 - repeats * samples, np.float32)])
    np.testing.assert_array_equal(LAION.fit(clip), by_hand)


def test_audio_embeddings_are_unit_vectors_and_do_not_depend_on_the_batch(clap: Clap) -> None:
    clips = [noise(samples, seed) for seed, samples in enumerate((480_000, 100_000, 500_000))]
    together = clap.embed_audio(clips)
    alone = torch.cat([clap.embed_audio([clip]) for clip in clips])
    assert together.dtype == torch.float32
    torch.testing.assert_close(together, alone, atol=BATCH_TOLERANCE, rtol=0)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3))
    assert clap.embed_audio([]).shape == (0, 16)


def test_more_clips_than_a_batch_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    clap = tiny_clap()
    clips = [noise(48_000, seed) for seed in range(3)]
    expected = clap.embed_audio(clips)
    monkeypatch.setattr(clap_module, "MAX_BATCH_CLIPS", 2)
    torch.testing.assert_close(clap.embed_audio(clips), expected, atol=BATCH_TOLERANCE, rtol=0)


# --- text ---


def test_text_equals_padding_to_77_tokens_as_laion_does(clap: Clap, folder: Path, model: ClapModel) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    inputs = tokenizer(list(SENTENCES), padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    with torch.inference_mode():
        expected = model.get_text_features(inputs["input_ids"], inputs["attention_mask"]).pooler_output
    torch.testing.assert_close(clap.embed_text(SENTENCES), expected.clone(), atol=BATCH_TOLERANCE, rtol=0)


def test_text_is_cut_at_77_tokens_with_a_warning(clap: Clap, caplog: pytest.LogCaptureFixture) -> None:
    long = "rain " * 200
    assert torch.equal(clap.embed_text([long]), clap.embed_text([long + " and a dog barks"]))
    assert "CLAP read the first 77" in caplog.text


def test_a_text_does_not_depend_on_the_others(clap: Clap) -> None:
    together = clap.embed_text(SENTENCES)
    alone = torch.cat([clap.embed_text([caption]) for caption in SENTENCES])
    torch.testing.assert_close(together, alone, atol=BATCH_TOLERANCE, rtol=0)
    assert clap.embed_text([]).shape == (0, 16)


def test_unrelated_captions_differ(clap: Clap) -> None:
    similarity = clap.embed_text(SENTENCES) @ clap.embed_text(SENTENCES).T
    torch.testing.assert_close(similarity.diagonal(), torch.ones(len(SENTENCES)))
    assert (similarity[~torch.eye(len(SENTENCES), dtype=torch.bool)] < SELF_TEST_COSINE).all()


# --- tokenizers ---


def test_the_tokenizer_is_found_in_the_cache_folder(laion_file: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (laion_file.parent / "tokenizer").rename(tmp_path / "cache" / "tokenizer")
    assert load_clap(laion_file, device=CPU, cache_dir=tmp_path / "cache").embed_text(["rain"]).shape == (1, 16)


def test_a_missing_tokenizer_is_an_error_with_the_remedy(
    laion_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (laion_file.parent / "tokenizer").rename(tmp_path / "elsewhere")
    monkeypatch.setattr(clap_module, "HUB_TOKENIZERS", ("FacebookAI/none",))
    with pytest.raises(CheckpointError, match=r"no tokenizer for .*small\.pt: put tokenizer\.json and config\.json of Face"):
        load_clap(laion_file, device=CPU)


def test_the_empty_five_token_tokenizer_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    monkeypatch.setattr(clap_module, "HUB_TOKENIZERS", ("FacebookAI/none",))
    with pytest.raises(CheckpointError, match=r"has 5 tokens, the text encoder reads \d+"):
        load_clap(folder, device=CPU)


# --- refusals ---


def test_a_collapsed_text_encoder_is_refused(model: ClapModel, laion_file: Path) -> None:
    state = laion_state(model)
    state["module.text_projection.2.weight"].zero_()
    state["module.text_projection.2.bias"].fill_(1.0)
    path = save_laion(laion_file.parent / "collapsed.pt", state)
    with pytest.raises(CheckpointError, match=r"collapsed\.pt gives two unrelated sentences the cosine 1\.0000"):
        load_clap(path, device=CPU)


def test_laion_fusion_files_are_refused(laion_file: Path, model: ClapModel) -> None:
    state = laion_state(model) | {"module.audio_branch.patch_embed.mel_conv2d.bias": torch.zeros(8)}
    path = save_laion(laion_file.parent / "fusion.pt", state)
    with pytest.raises(CheckpointError, match=r"fusion\.pt is a CLAP model with feature fusion"):
        load_clap(path, device=CPU)


def test_fusion_folders_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["audio_config"]["enable_fusion"] = True
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="feature fusion"):
        load_clap(folder, device=CPU)


def test_a_file_without_an_htsat_encoder_is_refused(tmp_path: Path) -> None:
    path = save_laion(tmp_path / "cnn.pt", {"module.audio_branch.conv_block1.conv1.weight": torch.zeros(2, 2)})
    with pytest.raises(CheckpointError, match=r"cnn\.pt is not a LAION-CLAP checkpoint with an HTSAT audio encoder"):
        load_clap(path, device=CPU)


def test_a_missing_tensor_is_named(laion_file: Path, model: ClapModel) -> None:
    state = laion_state(model)
    del state["module.audio_branch.patch_embed.norm.bias"]
    path = save_laion(laion_file.parent / "partial.pt", state)
    with pytest.raises(CheckpointError, match=r"missing: audio_model\.audio_encoder\.patch_embed\.norm\.bias\."):
        load_clap(path, device=CPU)


def test_a_truncated_folder_is_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is truncated or damaged"):
        load_clap(folder, device=CPU)


@pytest.mark.parametrize("content", [None, "{", '{"model_type": "bert"}'])
def test_a_folder_without_a_clap_config_is_refused(folder: Path, content: str | None) -> None:
    (folder / "config.json").unlink()
    if content:
        (folder / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json|is not a CLAP checkpoint"):
        load_clap(folder, device=CPU)


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"has no model\.safetensors or pytorch_model\.bin"):
        load_clap(folder, device=CPU)


def test_a_front_end_of_its_own_is_kept_in_the_configuration(tmp_path: Path) -> None:
    own = ClapFrontEnd(16_000, 40_800, 512, 160, 64, 50.0, 7_900.0, normalise=True)
    config = ClapConfig(front_end=own.to_config())
    config.save_pretrained(tmp_path)
    assert front_end_of(ClapConfig.from_pretrained(tmp_path)) == own
    assert front_end_of(ClapConfig()) == LAION


def test_a_front_end_that_normalises_does_not_hear_the_level() -> None:
    own = ClapFrontEnd(16_000, 1_600, 512, 160, normalise=True, f_max=7_900.0)
    clip = np.random.default_rng(0).standard_normal(1_000).astype(np.float32) * 0.1
    np.testing.assert_allclose(own.fit(clip), own.fit(clip * 0.01), atol=1e-6)  # float32 rounding
    assert own.fit(clip).max() <= 0.5
    assert LogMel(own)(torch.from_numpy(own.fit(clip))[None]).shape == (1, 1, 11, 64)
