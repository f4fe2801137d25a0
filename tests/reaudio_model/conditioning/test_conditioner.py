"""What the denoiser is told: order and masks of retrieved tokens, the null, dropout, and bad prompts."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_model import CAPTIONS, ranked, tiny_clap, tiny_conditioner, tiny_pairs, tiny_t5_config, tiny_tokenizer
from torch import Tensor
from transformers import T5EncoderModel

from reaudio_model.common.errors import AudioError, CheckpointError, ReaudioError
from reaudio_model.conditioning.conditioner import Conditioner, drop
from reaudio_model.conditioning.features import build_features
from reaudio_model.config import TINY_CONDITION, Retrieval
from reaudio_model.encoders.audio_mae import build_audio_mae
from reaudio_model.retrieval.records import Conditioning, Pair

CFG = TINY_CONDITION
PROMPTS = ["a dog barks", "the wind roars", "a bell rings near a crowd"]
# one fp32 network, other batch sizes
BATCH_TOLERANCE = 1e-5
# tokens of a layer norm, kept as float16
STORED_TOLERANCE = 2e-3


@pytest.fixture(scope="module")
def conditioner() -> Conditioner:
    return tiny_conditioner()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    return tiny_pairs(tmp_path_factory.mktemp("pairs"))


def slots(tokens: Tensor, per_slot: int) -> Tensor:
    """(B, k * n, ...) -> (B, k, n, ...)."""
    return tokens.unflatten(1, (-1, per_slot))


def test_shapes_and_dtypes(conditioner: Conditioner, pairs: list[Pair]) -> None:
    found = conditioner.condition(PROMPTS, [ranked(pairs[i : i + 3]) for i in range(3)], k=3)
    assert len(found) == 3
    assert found.text.shape == (3, CFG.clap_dim)
    assert found.audio.shape == (3, 3 * CFG.mae_tokens, CFG.mae_dim)
    assert found.audio_mask.shape == (3, 3 * CFG.mae_tokens)
    assert found.captions.shape == (3, 3 * CFG.t5_length, CFG.t5_dim)
    assert found.captions_mask.shape == (3, 3 * CFG.t5_length)
    assert {v.dtype for v in found.fields().values()} == {torch.float32, torch.bool}
    torch.testing.assert_close(found.text.norm(dim=1), torch.ones(3))
    assert all(torch.isfinite(v).all() for v in found.fields().values())


def test_conditioning_can_take_part_in_training(conditioner: Conditioner, pairs: list[Pair]) -> None:
    """Tensors made in inference mode cannot: a linear layer over them would refuse its backward pass."""
    for found in (conditioner.condition(["rain"], [ranked(pairs[:1])], k=2), conditioner.null(1, k=2)):
        assert not any(value.is_inference() for value in found.fields().values())
        layer = torch.nn.Linear(CFG.clap_dim, 1)
        layer(found.text).sum().backward()
        assert layer.weight.grad is not None


def test_neighbours_fill_the_slots_in_rank_order(conditioner: Conditioner, pairs: list[Pair]) -> None:
    neighbours = ranked(pairs[:4])
    found = conditioner.condition(["rain"], [[neighbours[2], neighbours[0], neighbours[3], neighbours[1]]], k=3)
    tokens = conditioner.encode_pairs(pairs[:3])
    torch.testing.assert_close(slots(found.audio, CFG.mae_tokens)[0], tokens.audio, atol=BATCH_TOLERANCE, rtol=0)
    torch.testing.assert_close(slots(found.captions, CFG.t5_length)[0], tokens.captions, atol=BATCH_TOLERANCE, rtol=0)
    assert torch.equal(slots(found.captions_mask, CFG.t5_length)[0], tokens.captions_mask)
    assert (tokens.audio[0] - tokens.audio[1]).abs().max() > 0.01


def test_captions_are_cut_and_padded_to_a_fixed_length(conditioner: Conditioner) -> None:
    states, mask = conditioner.encode_captions(["rain", "a dog barks in the rain and a cat sings while the wind roars"])
    assert states.shape == (2, CFG.t5_length, CFG.t5_dim)
    assert mask.tolist() == [[True] * 2 + [False] * (CFG.t5_length - 2), [True] * CFG.t5_length]


def test_captions_equal_the_encoder_without_padding(conditioner: Conditioner) -> None:
    states, mask = conditioner.encode_captions(["a dog barks"])
    with torch.inference_mode():
        plain = conditioner.t5(**tiny_tokenizer("t5")("a dog barks", return_tensors="pt")).last_hidden_state
    torch.testing.assert_close(states[mask], plain[0], atol=BATCH_TOLERANCE, rtol=0)


def test_missing_neighbours_leave_masked_zeros(conditioner: Conditioner, pairs: list[Pair]) -> None:
    found = conditioner.condition(PROMPTS, [ranked(pairs[:2]), [], ranked(pairs[:4])], k=3)
    filled = slots(found.audio_mask, CFG.mae_tokens)
    assert torch.equal(filled.all(dim=2), filled.any(dim=2))
    assert filled.all(dim=2).tolist() == [[True, True, False], [False] * 3, [True] * 3]
    assert slots(found.captions_mask, CFG.t5_length).any(dim=2).tolist() == [[True, True, False], [False] * 3, [True] * 3]
    assert not found.audio[~found.audio_mask].any()
    assert not slots(found.captions, CFG.t5_length)[0, 2].any()


@pytest.mark.parametrize("k", [0, 3])
def test_nothing_retrieved_is_all_masked_out(conditioner: Conditioner, pairs: list[Pair], k: int) -> None:
    found = conditioner.condition(["rain"], None if k else [ranked(pairs[:2])], k=k)
    assert found.audio_mask.shape == (1, max(k, 1) * CFG.mae_tokens)
    assert not found.audio_mask.any()
    assert not found.captions_mask.any()
    assert not found.audio.any()


def test_k_larger_than_what_was_found(conditioner: Conditioner, pairs: list[Pair]) -> None:
    found = conditioner.condition(["rain"], [ranked(pairs[:2])], k=5)
    assert found.audio_mask.sum() == 2 * CFG.mae_tokens


def test_a_prompt_does_not_depend_on_the_batch(conditioner: Conditioner, pairs: list[Pair]) -> None:
    neighbours = [ranked(pairs[:3]), ranked(pairs[3:5]), ranked(pairs[2:6])]
    together = conditioner.condition(PROMPTS, neighbours, k=3)
    for row, prompt in enumerate(PROMPTS):
        alone = conditioner.condition([prompt], [neighbours[row]], k=3)
        for name, value in alone.fields().items():
            torch.testing.assert_close(getattr(together, name)[row : row + 1], value, atol=BATCH_TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("retrieval", "present"),
    [
        ("none", {"text"}),
        ("audio", {"text", "audio", "audio_mask"}),
        ("audio+text", {"text", "audio", "audio_mask", "captions", "captions_mask"}),
    ],
)
def test_the_encoders_decide_what_is_read(retrieval: Retrieval, present: set[str], pairs: list[Pair]) -> None:
    conditioner = tiny_conditioner(retrieval)
    assert conditioner.retrieval == retrieval
    found = conditioner.condition(["rain"], [ranked(pairs[:2])], k=2)
    null = conditioner.null(1, k=2)
    assert set(found.fields()) == set(null.fields()) == present
    assert {n: v.shape for n, v in found.fields().items()} == {n: v.shape for n, v in null.fields().items()}


# --- stored features ---


def test_stored_features_give_the_same_conditioning(conditioner: Conditioner, pairs: list[Pair], tmp_path: Path) -> None:
    """Half of the pairs from the store, half encoded now, in both orders."""
    store = build_features(pairs[:3], conditioner, tmp_path / "features")
    neighbours = [ranked([pairs[4], pairs[0], pairs[2]]), ranked([pairs[1], pairs[5]])]
    live = conditioner.condition(PROMPTS[:2], neighbours, k=3)
    mixed = conditioner.condition(PROMPTS[:2], neighbours, k=3, features=store)
    for name, value in live.fields().items():
        torch.testing.assert_close(getattr(mixed, name), value, atol=STORED_TOLERANCE, rtol=STORED_TOLERANCE)
    audio_gone = [n._replace(pair=n.pair._replace(audio=None)) for n in ranked([pairs[2], pairs[0]])]
    assert conditioner.condition(["rain"], [audio_gone], k=2, features=store).audio_mask.all()


def test_a_pair_without_audio_or_features_is_an_error(conditioner: Conditioner) -> None:
    with pytest.raises(ReaudioError, match="pair 'x' has neither audio nor stored features"):
        conditioner.condition(["rain"], [ranked([Pair("x", "rain")])], k=1)


def test_an_unreadable_retrieved_file_is_an_error(conditioner: Conditioner, tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(b"RIFF....")
    with pytest.raises(AudioError, match=r"broken\.wav cannot be decoded"):
        conditioner.condition(["rain"], [ranked([Pair("x", "rain", path)])], k=1)


# --- the null ---


def test_the_null_is_the_empty_text_zeros_and_ones(conditioner: Conditioner) -> None:
    null = conditioner.null(2, k=3)
    torch.testing.assert_close(null.text, conditioner.clap.embed_text([""]).expand(2, -1))
    assert not null.audio.any()
    assert null.audio_mask.all()
    assert null.captions_mask.all()
    empty, _ = conditioner.encode_captions([""])
    torch.testing.assert_close(slots(null.captions, CFG.t5_length), empty.expand(2, 3, -1, -1))


# --- dropout ---


def dropped(conditioning: Conditioning, null: Conditioning, **changes: Tensor) -> Conditioning:
    n = len(conditioning)
    never = torch.zeros(n, dtype=torch.bool)
    defaults = {"drop_all": never, "drop_audio": never, "drop_captions": never, "k_kept": torch.full((n,), 3)}
    return drop(conditioning, null, k=3, **(defaults | changes))


@pytest.fixture(scope="module")
def full(conditioner: Conditioner, pairs: list[Pair]) -> tuple[Conditioning, Conditioning]:
    """Three clips with three neighbours each, and the null as one row."""
    return conditioner.condition(PROMPTS, [ranked(pairs[i : i + 3]) for i in range(3)], k=3), conditioner.null(1, k=3)


def assert_same(found: Conditioning, expected: Conditioning) -> None:
    assert found.fields().keys() == expected.fields().keys()
    for name, value in expected.fields().items():
        assert torch.equal(getattr(found, name), value), name


def test_without_dropout_nothing_changes(full: tuple[Conditioning, Conditioning]) -> None:
    assert_same(dropped(*full), full[0])


def test_the_joint_drop_is_the_null_masks_included(full: tuple[Conditioning, Conditioning]) -> None:
    conditioning, null = full
    everything = torch.ones(3, dtype=torch.bool)
    found = dropped(
        *full, drop_all=torch.tensor([False, True, False]), drop_audio=everything, k_kept=torch.zeros(3, dtype=torch.long)
    )
    assert_same(found.rows([1]), null)
    assert not found.audio_mask[[0, 2]].any()
    assert torch.equal(found.text[[0, 2]], conditioning.text[[0, 2]])


def test_a_group_is_dropped_for_its_clips_only(full: tuple[Conditioning, Conditioning]) -> None:
    conditioning, _ = full
    found = dropped(*full, drop_audio=torch.tensor([True, False, False]), drop_captions=torch.tensor([True, False, True]))
    assert found.audio_mask.any(dim=1).tolist() == [False, True, True]
    assert found.captions_mask.any(dim=1).tolist() == [False, True, False]
    assert torch.equal(found.audio_mask[1:], conditioning.audio_mask[1:])
    assert torch.equal(found.audio, conditioning.audio)


def test_slots_beyond_k_are_masked_out(full: tuple[Conditioning, Conditioning]) -> None:
    conditioning, _ = full
    found = dropped(*full, k_kept=torch.tensor([0, 1, 3]))
    kept = torch.tensor([[False] * 3, [True, False, False], [True] * 3])
    assert torch.equal(slots(found.audio_mask, CFG.mae_tokens).all(dim=2), kept)
    before = slots(conditioning.captions_mask, CFG.t5_length)
    assert torch.equal(slots(found.captions_mask, CFG.t5_length), before & kept[..., None])


def test_dropout_of_a_model_without_retrieval() -> None:
    conditioner = tiny_conditioner("none")
    conditioning, null = conditioner.condition(PROMPTS), conditioner.null(1)
    found = dropped(conditioning, null, drop_all=torch.tensor([True, False, False]))
    assert torch.equal(found.text, torch.cat([null.text, conditioning.text[1:]]))


# --- bad input ---


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_empty_prompts_are_refused(conditioner: Conditioner, prompt: str) -> None:
    with pytest.raises(ReaudioError, match="Prompt 2 of 2 is empty"):
        conditioner.condition(["rain", prompt])
    with pytest.raises(ReaudioError, match="There is no prompt"):
        conditioner.condition([])


def test_a_long_prompt_is_cut_and_logged(conditioner: Conditioner, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        long = conditioner.condition(["rain " * 2000])
    assert "'rain rain rain rain rain rain'... has 2002 tokens; CLAP read the first 77." in caplog.text
    caplog.clear()
    assert torch.equal(long.text, conditioner.condition(["rain " * 75]).text)
    assert not caplog.text


def test_prompts_and_neighbours_must_agree(conditioner: Conditioner) -> None:
    with pytest.raises(ValueError, match="2 prompts, but neighbours of 1"):
        conditioner.condition(["rain", "wind"], [[]], k=1)
    with pytest.raises(ValueError, match="k must be 0 or more, not -1"):
        conditioner.condition(["rain"], k=-1)


def test_encoders_of_another_width_are_refused() -> None:
    clap, mae = tiny_clap(), build_audio_mae(CFG)
    t5 = T5EncoderModel(tiny_t5_config(replace(CFG, t5_dim=24)))
    with pytest.raises(CheckpointError, match="CLAP gives vectors of 8, the model reads 16"):
        Conditioner(CFG, tiny_clap(dim=8))
    with pytest.raises(CheckpointError, match="AudioMAE gives vectors of 48, the model reads 24"):
        Conditioner(CFG, clap, build_audio_mae(replace(CFG, mae_dim=48)))
    with pytest.raises(CheckpointError, match="T5 gives vectors of 24, the model reads 20"):
        Conditioner(CFG, clap, mae, t5, tiny_tokenizer("t5"))
    with pytest.raises(ValueError, match="T5 needs its tokenizer"):
        Conditioner(CFG, clap, mae, T5EncoderModel(tiny_t5_config()))


def test_absent_encoders_say_so() -> None:
    conditioner = tiny_conditioner("none")
    with pytest.raises(ValueError, match="no AudioMAE"):
        conditioner.encode_audio(torch.zeros(1, 10_240).numpy())
    with pytest.raises(ValueError, match="no T5"):
        conditioner.encode_captions(CAPTIONS)


def test_identity_follows_the_weights() -> None:
    assert tiny_conditioner().identity() == tiny_conditioner().identity()
    one, other = tiny_conditioner().identity(), tiny_conditioner(seed=1).identity()
    assert set(one) == {"audio_mae", "t5"}
    assert all(one[name] != other[name] for name in one)
    assert set(tiny_conditioner("audio").identity()) == {"audio_mae"}


def test_t5_without_audio_mae_reads_the_prompt() -> None:
    whole = tiny_conditioner()
    reader = Conditioner(CFG, whole.clap, None, whole.t5, whole.t5_tokenizer)
    assert reader.retrieval == "prompt"
    found, null = reader.condition(PROMPTS), reader.null(3)
    assert found.audio is None
    torch.testing.assert_close(found.captions, whole.encode_captions(PROMPTS)[0])
    torch.testing.assert_close(found.text, null.text)  # CLAP says nothing
    assert not torch.equal(found.captions, null.captions)
    assert null.captions_mask is not None
    assert null.captions_mask.all()
