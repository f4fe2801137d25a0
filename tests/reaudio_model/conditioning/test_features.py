"""Stored tokens: what is stored, what is found again, what a killed build keeps, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tiny_model import tiny_conditioner, tiny_pairs, tone

from reaudio_model.common.audio import wav_bytes
from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.common.progress import Reporter
from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.conditioning.features import build_features, open_features
from reaudio_model.config import TINY_CONDITION
from reaudio_model.retrieval.records import Pair

CFG = TINY_CONDITION


@pytest.fixture(scope="module")
def conditioner() -> Conditioner:
    return tiny_conditioner()


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    return tiny_pairs(tmp_path / "audio")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "features"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_tokens_come_back_in_the_order_asked_for(conditioner: Conditioner, pairs: list[Pair], folder: Path) -> None:
    store = build_features(pairs, conditioner, folder, batch_size=4)
    assert len(store) == 6
    order = [pairs[i] for i in (5, 0, 3, 0)]
    stored, expected = store.tokens([pair.clip_id for pair in order]), conditioner.encode_pairs(order)
    assert stored.audio.shape == (4, CFG.mae_tokens, CFG.mae_dim)
    assert stored.audio.dtype == stored.captions.dtype == torch.float16
    assert stored.captions_mask.dtype == torch.bool
    # half precision, and the batch of four that the tokens were computed in
    torch.testing.assert_close(stored.audio.float(), expected.audio, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(stored.captions.float(), expected.captions, atol=2e-3, rtol=2e-3)
    assert torch.equal(stored.captions_mask, expected.captions_mask)


def test_a_store_is_opened_again_to_the_bit(conditioner: Conditioner, pairs: list[Pair], folder: Path) -> None:
    built = build_features(pairs, conditioner, folder)
    ids = [pair.clip_id for pair in pairs]
    for opened in (open_features(folder, conditioner), pickle.loads(pickle.dumps(built))):
        for one, other in zip(opened.tokens(ids), built.tokens(ids), strict=True):
            assert torch.equal(one, other)


def test_membership_is_of_the_pair_with_its_caption(conditioner: Conditioner, pairs: list[Pair], folder: Path) -> None:
    store = build_features(pairs[:2], conditioner, folder)
    assert pairs[0] in store
    assert pairs[2] not in store
    assert pairs[0]._replace(caption="another") not in store
    assert "clip-0" not in store


def test_a_killed_build_goes_on_where_it_was(
    conditioner: Conditioner, pairs: list[Pair], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_features(pairs, conditioner, tmp_path / "whole", batch_size=2)
    encoded: list[str] = []

    def encode(batch: list[Pair], dies_at: int) -> object:
        if len(encoded) == dies_at:
            raise KeyboardInterrupt
        encoded.extend(pair.clip_id for pair in batch)
        return Conditioner.encode_pairs(conditioner, batch)

    monkeypatch.setattr(conditioner, "encode_pairs", lambda batch: encode(batch, dies_at=4))
    with pytest.raises(KeyboardInterrupt):
        build_features(pairs, conditioner, folder, batch_size=2)
    with pytest.raises(ReaudioError, match=r"holds no finished features \(clips\.json is missing"):
        open_features(folder, conditioner)
    monkeypatch.setattr(conditioner, "encode_pairs", lambda batch: encode(batch, dies_at=-1))
    build_features(pairs, conditioner, folder, batch_size=2)
    assert sorted(encoded) == [pair.clip_id for pair in pairs]  # none twice
    assert files(folder) == files(tmp_path / "whole")


def test_only_what_changed_is_computed_again(conditioner: Conditioner, pairs: list[Pair], folder: Path) -> None:
    old = build_features(pairs, conditioner, folder).tokens(["clip-1", "clip-2"])
    before = files(folder)
    pairs[1].audio.write_bytes(wav_bytes(tone(40), 16_000))
    pairs[2] = pairs[2]._replace(caption="the door breaks")
    store = build_features(pairs, conditioner, folder)
    new = store.tokens(["clip-1", "clip-2"])
    (added,) = set(files(folder)) - set(before)
    with safe_open(folder / added, framework="pt") as file:
        assert file.get_tensor("keys").shape == (2, 32)
    assert not torch.equal(new.audio[0], old.audio[0])
    assert torch.equal(new.audio[1], old.audio[1])
    assert not torch.equal(new.captions[1], old.captions[1])
    assert build_features(pairs, conditioner, folder).tokens(["clip-1"]).audio.equal(new.audio[:1])


def test_equal_clips_share_a_row(conditioner: Conditioner, pairs: list[Pair], folder: Path) -> None:
    twin = pairs[0]._replace(clip_id="twin")
    store = build_features([pairs[0], twin], conditioner, folder)
    assert len(store) == 2
    tokens = store.tokens(["clip-0", "twin"])
    assert torch.equal(tokens.audio[0], tokens.audio[1])
    with safe_open(next(folder.glob("tokens-*")), framework="pt") as file:
        assert file.get_tensor("keys").shape == (1, 32)


def test_audio_only(pairs: list[Pair], folder: Path) -> None:
    tokens = build_features(pairs, tiny_conditioner("audio"), folder).tokens(["clip-0"])
    assert tokens.audio.shape == (1, CFG.mae_tokens, CFG.mae_dim)
    assert tokens.captions is None
    assert tokens.captions_mask is None


# --- refusals ---


def test_features_of_other_encoders_are_refused_and_built_anew(
    conditioner: Conditioner, pairs: list[Pair], folder: Path
) -> None:
    own = build_features(pairs, conditioner, folder).tokens(["clip-0"])
    for other in (tiny_conditioner(seed=1), tiny_conditioner("audio")):
        with pytest.raises(ReaudioError, match=r"other encoders, sizes or code \(encoders differ\): build them again"):
            open_features(folder, other)
    other = build_features(pairs, tiny_conditioner(seed=1), folder).tokens(["clip-0"])
    assert not torch.equal(other.audio, own.audio)
    with pytest.raises(ReaudioError, match=r"\(encoders differ\)"):
        open_features(folder, conditioner)
    assert torch.equal(build_features(pairs, conditioner, folder).tokens(["clip-0"]).audio, own.audio)


def test_features_of_other_code_are_not_used(
    conditioner: Conditioner, pairs: list[Pair], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_features(pairs, conditioner, folder)
    monkeypatch.setattr("reaudio_model.conditioning.features.computation_sha256", lambda *_modules: "edited")
    with pytest.raises(ReaudioError, match=r"\(code differ\): build them again"):
        open_features(folder, conditioner)
    before = set(files(folder))
    build_features(pairs, conditioner, folder)
    assert len(set(files(folder)) - before) == 1


def test_a_flipped_bit_is_found_and_its_file_made_anew(conditioner: Conditioner, pairs: list[Pair], folder: Path) -> None:
    own = build_features(pairs, conditioner, folder).tokens(["clip-0"])
    (path,) = folder.glob("tokens-*")
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ReaudioError, match=r"lack 6 of 6 clips \(1 files are damaged\): build them again"):
        open_features(folder, conditioner)
    notes: list[str] = []
    progress = Reporter(quiet=True)
    progress.note = notes.append  # type: ignore[method-assign]
    assert torch.equal(build_features(pairs, conditioner, folder, progress=progress).tokens(["clip-0"]).audio, own.audio)
    assert notes == [f"1 files of features in {folder} are damaged: they are computed again"]


def test_a_clip_that_is_replaced_meanwhile(
    conditioner: Conditioner, pairs: list[Pair], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = conditioner.encode_pairs

    def encode_and_replace(batch: list[Pair]) -> object:
        assert pairs[3].audio is not None
        tokens = encode(batch)
        pairs[3].audio.write_bytes(wav_bytes(tone(40), 16_000))
        return tokens

    monkeypatch.setattr(conditioner, "encode_pairs", encode_and_replace)
    with pytest.raises(ReaudioError, match=r"clip 'clip-3' .* was changed while it was used: repeat the command"):
        build_features(pairs, conditioner, folder)


def test_a_folder_without_features_is_refused(conditioner: Conditioner, tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"holds no finished features \(store\.json is missing or damaged\)"):
        open_features(tmp_path, conditioner)


def test_damaged_and_missing_files_are_refused(conditioner: Conditioner, pairs: list[Pair], folder: Path) -> None:
    build_features(pairs, conditioner, folder, batch_size=3)
    tokens = sorted(folder.glob("tokens-*"))
    whole = tokens[0].read_bytes()
    tokens[0].write_bytes(whole[:100])
    with pytest.raises(ReaudioError, match=r"lack 3 of 6 clips \(1 files are damaged\): build them again"):
        open_features(folder, conditioner)
    tokens[0].unlink()
    with pytest.raises(ReaudioError, match="lack 3 of 6 clips: build them again"):
        open_features(folder, conditioner)
    build_features(pairs, conditioner, folder, batch_size=3)
    assert tokens[0].read_bytes() == whole


def test_unknown_clips_are_named(conditioner: Conditioner, pairs: list[Pair], folder: Path) -> None:
    store = build_features(pairs[:1], conditioner, folder)
    with pytest.raises(ReaudioError, match="have no clip 'clip-5': build them for this retrieval set"):
        store.tokens(["clip-0", "clip-5"])


def test_pairs_need_readable_audio(conditioner: Conditioner, pairs: list[Pair], folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="pair 'x' has no audio file"):
        build_features([Pair("x", "rain")], conditioner, folder)
    with pytest.raises(AudioError, match=r"gone\.wav cannot be opened"):
        build_features([Pair("x", "rain", tmp_path / "gone.wav")], conditioner, folder)
