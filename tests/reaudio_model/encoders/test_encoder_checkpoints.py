"""Encoders from files in each published layout."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_model import enlarged, tiny_clap_network, tiny_t5_config, tiny_tokenizer, tone
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel, T5ForConditionalGeneration, ViTModel

from reaudio_model.common.errors import CheckpointError
from reaudio_model.conditioning.load import load_conditioner
from reaudio_model.config import TINY_CONDITION, ConditionConfig
from reaudio_model.encoders.audio_mae import audio_mae_input, audio_mae_tokens, build_audio_mae
from reaudio_model.encoders.encoder_checkpoints import load_audio_mae, load_t5, rename_audio_mae

CPU = torch.device("cpu")
CFG = TINY_CONDITION
# two implementations of one fp32 network
TOLERANCE = 1e-5


def original_state(encoder: ViTModel) -> dict[str, Tensor]:
    """A ViTModel in the names of AudioMAE's models_mae.py: the inverse of what is loaded, written down independently."""
    names = (
        (r"^embeddings\.cls_token$", "cls_token"),
        (r"^embeddings\.position_embeddings$", "pos_embed"),
        (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
        (r"^layers\.(\d+)\.attention\.o_proj\.", r"blocks.\1.attn.proj."),
        (r"^layers\.(\d+)\.attention\.", r"blocks.\1.attn."),
        (r"^layers\.(\d+)\.layernorm_before\.", r"blocks.\1.norm1."),
        (r"^layers\.(\d+)\.layernorm_after\.", r"blocks.\1.norm2."),
        (r"^layers\.(\d+)\.mlp\.", r"blocks.\1.mlp."),
        (r"^layernorm\.", "norm."),
    )
    renamed = {}
    for key, value in encoder.state_dict().items():
        for pattern, replacement in names:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    fused = {}
    for key, value in renamed.items():
        if ".q_proj." in key:
            fused[key.replace("q_proj", "qkv")] = torch.cat(
                [renamed[key.replace("q_", part)] for part in ("q_", "k_", "v_")]
            )
        elif ".k_proj." not in key and ".v_proj." not in key:
            fused[key] = value.clone()
    return fused


class Attention(nn.Module):
    """AudioMAE's, from timm: one fused projection."""

    def __init__(self, state: dict[str, Tensor], block: str, heads: int) -> None:
        super().__init__()
        self.state, self.block, self.heads = state, block, heads

    def linear(self, name: str, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.state[f"{self.block}.{name}.weight"], self.state[f"{self.block}.{name}.bias"])

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.linear("attn.qkv", x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (d // self.heads) ** -0.5).softmax(dim=-1)
        return self.linear("attn.proj", (weights @ v).transpose(1, 2).reshape(b, n, d))


def run_original(state: dict[str, Tensor], inputs: Tensor, heads: int, layers: int) -> list[Tensor]:
    """Normed blocks of the original network, computed from its own state dict."""

    def norm(name: str, x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)

    patches = nn.functional.conv2d(
        inputs,
        state["patch_embed.proj.weight"],
        state["patch_embed.proj.bias"],
        stride=state["patch_embed.proj.weight"].shape[-1],
    )
    x = patches.flatten(2).transpose(1, 2) + state["pos_embed"][:, 1:]
    x = torch.cat([(state["cls_token"] + state["pos_embed"][:, :1]).expand(len(x), -1, -1), x], dim=1)
    blocks = []
    for i in range(layers):
        attention = Attention(state, f"blocks.{i}", heads)
        x = x + attention(norm(f"blocks.{i}.norm1", x))
        hidden = nn.functional.gelu(attention.linear("mlp.fc1", norm(f"blocks.{i}.norm2", x)))
        x = x + attention.linear("mlp.fc2", hidden)
        blocks.append(norm("norm", x))
    return blocks


@pytest.fixture(scope="module")
def encoder() -> ViTModel:
    torch.manual_seed(0)
    return enlarged(build_audio_mae(CFG).eval())


DECODER = {
    "mask_token": torch.zeros(1, 1, 8),
    "decoder_pos_embed": torch.zeros(1, 33, 8),
    "decoder_embed.weight": torch.zeros(8, 24),
    "decoder_blocks.0.norm1.weight": torch.zeros(8),
    "decoder_norm.bias": torch.zeros(8),
    "decoder_pred.weight": torch.zeros(64, 8),
}


@pytest.fixture(params=["original .pth", "timm file", "timm folder", "transformers folder"])
def checkpoint(request: pytest.FixtureRequest, encoder: ViTModel, tmp_path: Path) -> Path:
    state = original_state(encoder)
    if request.param == "original .pth":
        path = tmp_path / "pretrained.pth"
        arguments = argparse.Namespace(lr=2e-4, mask_ratio=0.8, data_train="train.json")
        torch.save({"model": state | DECODER, "epoch": 32, "optimizer": {"state": {}}, "args": arguments}, path)
        return path
    if request.param == "transformers folder":
        encoder.save_pretrained(tmp_path / "vit")
        return tmp_path / "vit"
    folder = tmp_path / "timm"
    folder.mkdir()
    save_file({**state, "head.weight": torch.zeros(2, 24)}, folder / "model.safetensors")
    return folder if request.param == "timm folder" else folder / "model.safetensors"


def test_every_layout_gives_the_encoder_back(checkpoint: Path, encoder: ViTModel) -> None:
    loaded = load_audio_mae(checkpoint, CFG, device=CPU)
    assert not loaded.training
    state = loaded.state_dict()
    assert state.keys() == encoder.state_dict().keys()
    assert all(torch.equal(state[key], value) for key, value in encoder.state_dict().items())


def test_the_map_keeps_the_function_of_the_original_network(encoder: ViTModel) -> None:
    """Queries, keys, values and heads land where the original reads them."""
    waveforms = torch.stack([torch.from_numpy(tone(seed)) for seed in range(2)])
    inputs = audio_mae_input(waveforms, CFG)
    with torch.inference_mode():
        blocks = run_original(original_state(encoder), inputs, CFG.mae_heads, CFG.mae_layers)
        states = encoder(pixel_values=inputs, output_hidden_states=True).hidden_states[1:]
        for block, state in zip(blocks, states, strict=True):
            torch.testing.assert_close(encoder.layernorm(state), block, atol=TOLERANCE, rtol=TOLERANCE)
        assert audio_mae_tokens(encoder, inputs, CFG).std() > 0.1


def test_position_embeddings_are_those_of_the_file(encoder: ViTModel, tmp_path: Path) -> None:
    state = original_state(encoder)
    state["pos_embed"] = torch.randn(state["pos_embed"].shape, generator=torch.Generator().manual_seed(1))
    save_file(state, tmp_path / "net.safetensors")
    loaded = load_audio_mae(tmp_path / "net.safetensors", CFG, device=CPU)
    assert torch.equal(loaded.embeddings.position_embeddings, state["pos_embed"])


def test_the_published_size_maps_completely() -> None:
    config = ConditionConfig()
    with torch.device("meta"):
        encoder = build_audio_mae(config)
        state = original_state(encoder)
    assert state["blocks.11.attn.qkv.weight"].shape == (2304, 768)
    assert state["pos_embed"].shape == (1, 513, 768)
    assert {k: v.shape for k, v in rename_audio_mae(state).items()} == {k: v.shape for k, v in encoder.state_dict().items()}


# --- refusals ---


def test_a_fine_tuned_audio_mae_is_refused(encoder: ViTModel, tmp_path: Path) -> None:
    torch.save({"model": original_state(encoder) | {"fc_norm.weight": torch.ones(24)}}, tmp_path / "finetuned.pth")
    with pytest.raises(CheckpointError, match=r"finetuned\.pth is an AudioMAE fine-tuned for classification"):
        load_audio_mae(tmp_path / "finetuned.pth", CFG, device=CPU)


def test_another_size_is_refused(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a pre-trained AudioMAE encoder of 12 layers and width 768: missing"):
        load_audio_mae(checkpoint, ConditionConfig(), device=CPU)


def test_code_in_a_checkpoint_is_refused(encoder: ViTModel, tmp_path: Path) -> None:
    torch.save({"model": original_state(encoder), "args": Path("x")}, tmp_path / "pretrained.pth")
    with pytest.raises(CheckpointError, match=r"contains code \(pathlib.*and was refused"):
        load_audio_mae(tmp_path / "pretrained.pth", CFG, device=CPU)


# --- T5 and all together ---


@pytest.fixture
def t5_folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    folder = tmp_path / "t5"
    T5ForConditionalGeneration(tiny_t5_config()).save_pretrained(folder)
    tiny_tokenizer("t5").save_pretrained(folder)
    return folder


def test_t5_is_the_encoder_of_a_whole_t5(t5_folder: Path) -> None:
    encoder, tokenizer = load_t5(str(t5_folder), device=CPU)
    whole = T5ForConditionalGeneration.from_pretrained(t5_folder).eval()
    ids = tokenizer("a dog barks", return_tensors="pt")
    with torch.inference_mode():
        assert torch.equal(encoder(**ids).last_hidden_state, whole.get_encoder()(**ids).last_hidden_state)
    assert isinstance(encoder, T5EncoderModel)
    assert not encoder.training


def test_t5_that_is_not_there_or_damaged(t5_folder: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"T5 encoder google/none is not on this machine.*give its folder as parts\.t5"
    ):
        load_t5("google/none", device=CPU)
    (t5_folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="is not on this machine or is damaged"):
        load_t5(str(t5_folder), device=CPU)


def test_t5_with_a_tokenizer_of_another_model(t5_folder: Path) -> None:
    config = T5Config(**(tiny_t5_config().to_dict() | {"vocab_size": 20}))
    T5EncoderModel(config).save_pretrained(t5_folder)
    with pytest.raises(CheckpointError, match="has 77 tokens, its T5 reads 20: they do not match"):
        load_t5(str(t5_folder), device=CPU)


@pytest.mark.parametrize("retrieval", ["none", "audio", "audio+text"])
def test_the_conditioner_has_the_encoders_its_retrieval_needs(
    retrieval: str, encoder: ViTModel, t5_folder: Path, tmp_path: Path
) -> None:
    clap = tmp_path / "clap"
    tiny_clap_network().save_pretrained(clap)
    tiny_tokenizer("roberta").save_pretrained(clap)
    encoder.save_pretrained(tmp_path / "mae")
    conditioner = load_conditioner(
        CFG, retrieval, clap=clap, audio_mae=tmp_path / "mae", t5=str(t5_folder), device=CPU, cache_dir=tmp_path
    )
    assert conditioner.retrieval == retrieval
    if retrieval != "none":
        with pytest.raises(CheckpointError, match=re.escape(f"retrieval={retrieval} needs the AudioMAE checkpoint")):
            load_conditioner(CFG, retrieval, clap=clap, device=CPU)
