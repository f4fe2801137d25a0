"""Tokenizers and untrained networks of the miniature."""

from __future__ import annotations

from pathlib import Path

import torch

from reaudio_model.config import MINIATURE_CODEC, MINIATURE_CONDITION
from reaudio_model.encoders.clap import load_clap
from reaudio_model.encoders.encoder_checkpoints import load_t5
from reaudio_model.miniature.captions import vocabulary
from reaudio_model.miniature.materials import tables
from reaudio_model.miniature.skeletons import FRONT_END, clap_tokenizer, t5_tokenizer, write_clap, write_t5
from reaudio_model.miniature.world import CLIP_SAMPLES, describe

CPU = torch.device("cpu")


def test_every_caption_is_read_whole() -> None:
    """No word is unknown, and none is cut off."""
    captions = [describe(clip_id).caption for name in ("train", "test", "pool") for clip_id in tables()[name]]
    for tokenizer in (clap_tokenizer(), t5_tokenizer()):
        ids = tokenizer(captions)["input_ids"]
        assert all(tokenizer.unk_token_id not in row for row in ids)
        assert max(map(len, ids)) <= MINIATURE_CONDITION.t5_length
    assert len(clap_tokenizer()) == len(vocabulary()) + 5


def test_case_and_punctuation_do_not_count_and_other_words_are_unknown() -> None:
    for tokenizer in (clap_tokenizer(), t5_tokenizer()):
        assert tokenizer("A Dog barks!")["input_ids"] == tokenizer("a dog barks")["input_ids"]
        assert tokenizer("a dog, then rain")["input_ids"] == tokenizer("a dog then rain")["input_ids"]
        assert tokenizer.unk_token_id in tokenizer("a zeppelin")["input_ids"]


def test_networks_have_the_sizes_of_the_presets(tmp_path: Path) -> None:
    clap = load_clap(write_clap(tmp_path / "clap"), device=CPU)
    assert clap.dim == MINIATURE_CONDITION.clap_dim
    assert clap.front_end == FRONT_END
    assert 0 <= CLIP_SAMPLES - FRONT_END.n_samples < 2 * FRONT_END.hop
    assert clap.embed_audio([torch.zeros(CLIP_SAMPLES).numpy()]).shape == (1, 128)
    encoder, tokenizer = load_t5(str(write_t5(tmp_path / "t5")), device=CPU)
    assert encoder.config.d_model == MINIATURE_CONDITION.t5_dim
    assert len(tokenizer) <= encoder.config.vocab_size
    assert MINIATURE_CODEC.n_samples == CLIP_SAMPLES
