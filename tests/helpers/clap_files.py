"""CLAP checkpoints as they are published, at a small size: a folder of transformers, and LAION's ``.pt`` with its tokenizer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor
from transformers import ClapConfig, ClapModel

from reaudio_model.encoders.clap import SELF_TEST_TEXTS

SENTENCES = (
    "a dog barks at the rain",
    "an engine starts and stops",
    "birds sing while a man speaks",
    "rain",
    *SELF_TEST_TEXTS,
)


def write_tokenizer(folder: Path) -> None:
    """A small byte-level BPE tokenizer in RoBERTa's files."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(SENTENCES, vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    trained.save_model(str(folder))
    if not (folder / "config.json").exists():
        (folder / "config.json").write_text('{"model_type": "roberta"}')


def small_clap(tokenizer_folder: Path) -> ClapModel:
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
            "vocab_size": len(json.loads((tokenizer_folder / "vocab.json").read_text())),
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


def write_folder(folder: Path, model: ClapModel) -> Path:
    """transformers' layout, with its tokenizer."""
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def write_laion(folder: Path, model: ClapModel) -> Path:
    """LAION's layout: ``small.pt``, and the tokenizer beside it in ``tokenizer/``."""
    write_tokenizer(folder / "tokenizer")
    return save_laion(folder / "small.pt", laion_state(model))
