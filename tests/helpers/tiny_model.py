"""Small random encoders, tokenizers and clips that the tests of the model share; sizes are those of the preset "tiny"."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import ClapConfig, ClapModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from reaudio_model.common.audio import wav_bytes
from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.config import TINY_CONDITION, ConditionConfig, Retrieval
from reaudio_model.encoders.audio_mae import build_audio_mae
from reaudio_model.encoders.clap import Clap
from reaudio_model.retrieval.records import Neighbour, Pair

VOCABULARY = (
    "a an the and while then as of in on at by with to into over near from dog cat bird birds man woman child crowd people "
    "rain wind water thunder engine car train bell siren piano violin trumpet drum glass door speaks barks sings chirps "
    "laughs applauds starts stops breaks rings plays falls runs hums roars passes loud quiet large small slow fast high low"
)
CAPTIONS = (
    "a dog barks in the rain",
    "birds sings while a man speaks",
    "an engine starts and stops",
    "a bell rings near a crowd",
    "the wind roars and a door breaks",
    "a train passes fast",
)  # fmt: skip
N_SENTINELS = 8
Kind = Literal["roberta", "t5"]
RATE = 16_000


@cache
def tiny_tokenizer(kind: Kind = "roberta") -> Any:
    """Word-level, with RoBERTa's special tokens (<s> text </s>, pad 1) or T5's (text </s>, pad 0, sentinels last)."""
    if kind == "roberta":
        specials, template = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<s> $A </s>"
    else:
        specials, template = ["<pad>", "</s>", "<unk>"], "$A </s>"
    sentinels = [f"<extra_id_{i}>" for i in reversed(range(N_SENTINELS))] if kind == "t5" else []
    ids = {token: i for i, token in enumerate([*specials, *VOCABULARY.split(), *sentinels])}
    tokenizer = Tokenizer(WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single=template, special_tokens=[(token, ids[token]) for token in template.split() if token != "$A"]
    )
    names = {"bos_token": "<s>", "mask_token": "<mask>"} if kind == "roberta" else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", eos_token="</s>",
        additional_special_tokens=sentinels, **names,
    )  # fmt: skip


def tiny_clap_network(dim: int = TINY_CONDITION.clap_dim, seed: int = 0) -> ClapModel:
    """A ClapModel of about 30,000 parameters, in evaluation mode."""
    torch.manual_seed(seed)
    config = ClapConfig(
        projection_dim=dim,
        audio_config={
            "patch_embeds_hidden_size": 8, "hidden_size": 32, "depths": [1, 1, 1], "num_attention_heads": [1, 1, 2],
            "patch_size": 8, "patch_stride": [8, 8], "num_hidden_layers": 3,
        },
        text_config={
            "vocab_size": len(tiny_tokenizer("roberta")), "hidden_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 82, "layer_norm_eps": 1e-5,
        },
    )  # fmt: skip
    return enlarged(ClapModel(config).eval())


def enlarged(network: Any) -> Any:
    """Matrices times 6: at their usual initial size (0.02) a random encoder gives every input nearly the same output."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.mul_(6)
    return network


def tiny_clap(dim: int = TINY_CONDITION.clap_dim, seed: int = 0) -> Clap:
    return Clap(tiny_clap_network(dim, seed), tiny_tokenizer("roberta"))


def tiny_t5_config(config: ConditionConfig = TINY_CONDITION) -> T5Config:
    return T5Config(
        vocab_size=len(tiny_tokenizer("t5")), d_model=config.t5_dim, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
        dropout_rate=0.0, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip


def tiny_conditioner(
    retrieval: Retrieval = "audio+text", config: ConditionConfig = TINY_CONDITION, seed: int = 0
) -> Conditioner:
    """Random CLAP, AudioMAE and T5 of the tiny preset; the same weights for the same seed."""
    clap = tiny_clap(config.clap_dim, seed)
    torch.manual_seed(seed)
    audio_mae = build_audio_mae(config).eval() if retrieval != "none" else None
    t5 = T5EncoderModel(tiny_t5_config(config)).eval() if retrieval == "audio+text" else None
    return Conditioner(config, clap, audio_mae, t5, tiny_tokenizer("t5") if t5 is not None else None)


def tiny_pairs(folder: Path, n: int = 6, seconds: float = 0.64, rate: int = RATE) -> list[Pair]:
    """n captioned wav files: tones in noise, each of its own pitch."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = []
    for i in range(n):
        path = folder / f"clip-{i}.wav"
        path.write_bytes(wav_bytes(tone(i, seconds, rate), rate))
        pairs.append(Pair(f"clip-{i}", CAPTIONS[i % len(CAPTIONS)], path, f"video-{i}", "train"))
    return pairs


def tone(seed: int, seconds: float = 0.64, rate: int = RATE) -> np.ndarray:
    """float32 (seconds * rate,): a sine of 200 * (seed + 1) Hz at 0.3 in noise of 0.02."""
    t = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return (0.3 * np.sin(2 * np.pi * 200 * (seed + 1) * t) + 0.02 * noise).astype(np.float32)


def ranked(pairs: list[Pair]) -> list[Neighbour]:
    """The pairs as neighbours, in this order."""
    return [Neighbour(pair, rank, 1.0 - 0.1 * rank) for rank, pair in enumerate(pairs)]
