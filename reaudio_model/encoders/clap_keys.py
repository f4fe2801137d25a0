"""Converting LAION's CLAP state dict to transformers' names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

# Front end (computed here), classification heads (unused), masks and positions (computed by the model).
_DROPPED = re.compile(
    r"audio_branch\.(spectrogram_extractor|logmel_extractor|tscam_conv|head)\."
    r"|(audio|text)_transform\."
    r"|.*\.attn_mask$"
    r"|text_branch\.embeddings\.position_ids$"
)
_RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^audio_branch\.", "audio_model.audio_encoder."),
        (r"^text_branch\.", "text_model."),
        (r"^(audio|text)_projection\.0\.", r"\1_projection.linear1."),
        (r"^(audio|text)_projection\.2\.", r"\1_projection.linear2."),
        (r"audio_encoder\.bn0\.", "audio_encoder.batch_norm."),
        (r"\.norm1\.", ".layernorm_before."),
        (r"\.norm2\.", ".layernorm_after."),
        (r"\.attn\.proj\.", ".attention.output.dense."),
        (r"\.attn\.", ".attention.self."),
        (r"\.mlp\.fc1\.", ".intermediate.dense."),
        (r"\.mlp\.fc2\.", ".output.dense."),
    )
)
_FUSION = ("audio_branch.patch_embed.fusion_model.", "audio_branch.patch_embed.mel_conv2d.")
# AudioLDM's and its training framework's; "model." is the network, beside its front end
_IN_AUDIOLDM = re.compile(r"cond_stage_models?\.(\d+\.)?model\.")
_HEAD_SIZE = 64  # RoBERTa's; shapes do not determine the number of heads


def strip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """LAION's keys: without the prefix of data-parallel training, and of a complete AudioLDM only its CLAP."""
    inside = {_IN_AUDIOLDM.sub("", key): value for key, value in state.items() if _IN_AUDIOLDM.match(key)}
    return inside or {key.removeprefix("module."): value for key, value in state.items()}


def has_fusion(state: Mapping[str, Tensor]) -> bool:
    """Whether stripped LAION keys belong to a feature-fusion model."""
    return any(key.startswith(_FUSION) for key in state)


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stripped LAION keys -> ``ClapModel`` keys; fused query-key-value matrices are split in three."""
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        if _DROPPED.match(key):
            continue
        for pattern, replacement in _RENAMES:
            key = pattern.sub(replacement, key)
        if ".qkv." in key:
            for name, part in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[key.replace(".qkv.", f".{name}.")] = part
        else:
            renamed[key] = value
    return renamed


def config_kwargs(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arguments of ``ClapConfig`` for renamed keys, read from the shapes.

    Raises:
        KeyError: a required tensor is missing.
    """
    encoder, text = "audio_model.audio_encoder", "text_model"
    n_stages = _count(state, rf"{encoder}\.layers\.(\d+)\.")
    bias = [state[f"{encoder}.layers.{i}.blocks.0.attention.self.relative_position_bias_table"] for i in range(n_stages)]
    words = state[f"{text}.embeddings.word_embeddings.weight"]
    return {
        "projection_dim": state["audio_projection.linear2.weight"].shape[0],
        "audio_config": {
            "patch_embeds_hidden_size": state[f"{encoder}.patch_embed.proj.weight"].shape[0],
            "hidden_size": state[f"{encoder}.norm.weight"].shape[0],
            "depths": [_count(state, rf"{encoder}\.layers\.{i}\.blocks\.(\d+)\.") for i in range(n_stages)],
            "num_attention_heads": [table.shape[1] for table in bias],
            "num_hidden_layers": n_stages,
            "enable_fusion": False,
        },
        "text_config": {
            "vocab_size": words.shape[0],
            "hidden_size": words.shape[1],
            "num_hidden_layers": _count(state, rf"{text}\.encoder\.layer\.(\d+)\."),
            "num_attention_heads": max(1, words.shape[1] // _HEAD_SIZE),
            "intermediate_size": state[f"{text}.encoder.layer.0.intermediate.dense.weight"].shape[0],
            "max_position_embeddings": state[f"{text}.embeddings.position_embeddings.weight"].shape[0],
            "layer_norm_eps": 1e-5,  # roberta-base; ClapTextConfig's default is 1e-12
        },
    }


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return len({found[1] for key in state if (found := re.match(pattern, key))})
