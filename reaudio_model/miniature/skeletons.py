"""Untrained CLAP and T5 of the miniature.

Sizes, tokenizers of the closed vocabulary, and random weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase, Replace, Sequence
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import ClapConfig, ClapModel, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from reaudio_model.config import MINIATURE_CONDITION
from reaudio_model.encoders.clap_front_end import CONFIG_KEY, ClapFrontEnd
from reaudio_model.miniature.captions import vocabulary

N_SENTINELS = 10
MAX_WORDS = 64
# 2.55 s are the 256 frames that the audio encoder folds into 128 x 128; the last 10 ms are not used.
FRONT_END = ClapFrontEnd(
    sample_rate=16_000, n_samples=40_800, n_fft=512, hop=160, n_mels=64, f_min=50.0, f_max=7_900.0, normalise=True
)


def clap_tokenizer() -> Any:
    """Words of :func:`captions.vocabulary` with RoBERTa's special tokens; case and punctuation are ignored."""
    return _tokenizer(["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<s> $A </s>", [], bos_token="<s>", mask_token="<mask>")


def t5_tokenizer() -> Any:
    """The same words with T5's special tokens and ten sentinels."""
    return _tokenizer(["<pad>", "</s>", "<unk>"], "$A </s>", [f"<extra_id_{i}>" for i in reversed(range(N_SENTINELS))])


def _tokenizer(specials: list[str], template: str, sentinels: list[str], **names: str) -> Any:
    ids = {token: i for i, token in enumerate([*specials, *vocabulary(), *sentinels])}
    tokenizer = Tokenizer(WordLevel(ids, unk_token="<unk>"))
    # sentinels are added tokens, which are found before the text is normalised
    tokenizer.normalizer = Sequence([Lowercase(), Replace(Regex(r"[^a-z'<>_0-9-]+"), " ")])
    tokenizer.pre_tokenizer = WhitespaceSplit()
    marks = [(token, ids[token]) for token in template.split() if token != "$A"]
    tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=marks)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", eos_token="</s>",
        additional_special_tokens=sentinels, model_max_length=MAX_WORDS, **names,
    )  # fmt: skip


def write_clap(folder: Path, seed: int = 0) -> Path:
    """A ``ClapModel`` folder: HTSAT on 128 x 128, a two-layer RoBERTa, 128 dimensions."""
    torch.manual_seed(seed)
    tokenizer = clap_tokenizer()
    config = ClapConfig(
        projection_dim=MINIATURE_CONDITION.clap_dim,
        audio_config={
            "spec_size": 128, "num_mel_bins": FRONT_END.n_mels, "window_size": 4, "patch_size": 4, "patch_stride": [4, 4],
            "patch_embeds_hidden_size": 24, "hidden_size": 192, "depths": [2, 2, 2, 2], "num_attention_heads": [2, 2, 4, 8],
            "num_classes": 2, "enable_fusion": False,
        },
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
            "intermediate_size": 256, "max_position_embeddings": MAX_WORDS + 2, "layer_norm_eps": 1e-5,
            "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
        },
        **{CONFIG_KEY: FRONT_END.to_config()},
    )  # fmt: skip
    network: Any = ClapModel(config)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_t5(folder: Path, seed: int = 0) -> Path:
    """A T5 folder with two encoder and two decoder layers."""
    torch.manual_seed(seed)
    tokenizer = t5_tokenizer()
    config = T5Config(
        vocab_size=len(tokenizer), d_model=MINIATURE_CONDITION.t5_dim, d_kv=16, d_ff=192, num_layers=2, num_heads=4,
        dropout_rate=0.0, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    network: Any = T5ForConditionalGeneration(config)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
