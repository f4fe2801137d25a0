"""Published UNets loaded into ours, against a network written out here in the authors' layout and against the library's."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AudioLDM2UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from reaudio_model.cli.info import empty_conditioning
from reaudio_model.common.errors import CheckpointError
from reaudio_model.config import ModelConfig, get_preset
from reaudio_model.denoiser.unet import RetrievalUNet, build_unet
from reaudio_model.denoiser.unet_checkpoints import Source, load_unet, original_names
from reaudio_model.retrieval.records import Conditioning

PORT_TOLERANCE = 1e-5  # another implementation, float32 (the published one agrees with the library to 9e-6)
FILM_TOLERANCE = 1e-6  # the same implementation; sums with zeros added run in another order
CONFIG = replace(get_preset("tiny"), channel_multipliers=(1, 2, 3), layers_per_block=2)
CONDITION = CONFIG.condition
CHANNELS, GROUPS, HEAD = CONFIG.channels, CONFIG.norm_groups, CONFIG.head_width
EMBED = 4 * CHANNELS[0]
CONTEXTS = (None, CONDITION.mae_dim, CONDITION.t5_dim)


class ResBlock(nn.Module):
    def __init__(self, width: int, out: int, embed: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embed, out))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, out), nn.SiLU(), nn.Dropout(0), nn.Conv2d(out, out, 3, padding=1)
        )
        self.skip_connection = nn.Conv2d(width, out, 1) if width != out else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.in_layers(x) + self.emb_layers(embedding)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


class Attention(nn.Module):
    def __init__(self, width: int, context: int | None) -> None:
        super().__init__()
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context or width, width, bias=False)
        self.to_v = nn.Linear(context or width, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Dropout(0))

    def forward(self, x: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        tokens = x if tokens is None else tokens
        q, k, v = (y.unflatten(2, (-1, HEAD)) for y in (self.to_q(x), self.to_k(tokens), self.to_v(tokens)))
        scores = torch.einsum("bihd,bjhd->bhij", q, k) / math.sqrt(HEAD)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], float("-inf"))
        return self.to_out(torch.einsum("bhij,bjhd->bihd", scores.softmax(-1), v).flatten(2))


class Gated(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class Block(nn.Module):
    def __init__(self, width: int, context: int | None) -> None:
        super().__init__()
        self.attn1, self.attn2 = Attention(width, None), Attention(width, context)
        self.ff = nn.Module()
        self.ff.net = nn.Sequential(Gated(width), nn.Dropout(0), nn.Linear(4 * width, width))
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor, tokens: Tensor | None, mask: Tensor | None) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), tokens, mask)
        return x + self.ff.net(self.norm3(x))


class SpatialTransformer(nn.Module):
    def __init__(self, width: int, context: int | None) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width, eps=1e-6)
        self.proj_in, self.proj_out = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([Block(width, context)])

    def forward(self, x: Tensor, tokens: Tensor | None, mask: Tensor | None) -> Tensor:
        h = self.proj_in(self.norm(x)).flatten(2).mT
        return x + self.proj_out(self.transformer_blocks[0](h, tokens, mask).mT.unflatten(2, x.shape[2:]))


class Resample(nn.Module):
    def __init__(self, width: int, up: bool) -> None:
        super().__init__()
        self.register_module("conv" if up else "op", nn.Conv2d(width, width, 3, stride=1 if up else 2, padding=1))
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest")) if self.up else self.op(x)


class Original(nn.Module):
    """The UNet of AudioLDM (film, contexts (None,)) and AudioLDM2 (no film, three contexts) in the authors' layout."""

    def __init__(self, contexts: tuple[int | None, ...], film: bool) -> None:
        super().__init__()
        latent = CONFIG.codec.latent_shape[0]
        embed = EMBED * (1 + film)
        self.time_embed = nn.Sequential(nn.Linear(CHANNELS[0], EMBED), nn.SiLU(), nn.Linear(EMBED, EMBED))
        self.film_emb = nn.Linear(CONDITION.clap_dim, EMBED) if film else None

        def place(width: int, out: int, level: int) -> list[nn.Module]:
            transformers = [SpatialTransformer(out, context) for context in contexts] if level else []
            return [ResBlock(width, out, embed), *transformers]

        entries, widths, width = [[nn.Conv2d(latent, CHANNELS[0], 3, padding=1)]], [CHANNELS[0]], CHANNELS[0]
        for level, out in enumerate(CHANNELS):
            for _ in range(CONFIG.layers_per_block):
                entries.append(place(width, out, level))
                width = out
                widths.append(width)
            if level < len(CHANNELS) - 1:
                entries.append([Resample(width, up=False)])
                widths.append(width)
        self.input_blocks = nn.ModuleList(map(nn.ModuleList, entries))
        self.middle_block = nn.ModuleList([*place(width, width, 1), ResBlock(width, width, embed)])
        entries = []
        for level, out in reversed(list(enumerate(CHANNELS))):
            for layer in range(CONFIG.layers_per_block + 1):
                entries.append(place(width + widths.pop(), out, level))
                width = out
                if level and layer == CONFIG.layers_per_block:
                    entries[-1].append(Resample(width, up=True))
        self.output_blocks = nn.ModuleList(map(nn.ModuleList, entries))
        self.out = nn.Sequential(nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, latent, 3, padding=1))

    def forward(self, x: Tensor, timestep: int, conditioning: Conditioning) -> Tensor:
        half = CHANNELS[0] // 2
        phase = timestep * torch.exp(-math.log(10_000) * torch.arange(half) / half)
        embedding = self.time_embed(torch.cat([phase.cos(), phase.sin()])).expand(len(x), -1)
        if self.film_emb is not None:
            embedding = torch.cat([embedding, self.film_emb(conditioning.text)], dim=1)
        groups = (
            (None, None), (conditioning.audio, conditioning.audio_mask), (conditioning.captions, conditioning.captions_mask),
        )  # fmt: skip

        def run(entry: nn.ModuleList, h: Tensor) -> Tensor:
            context = iter(groups)
            for module in entry:
                if isinstance(module, ResBlock):
                    h = module(h, embedding)
                else:
                    h = module(h, *next(context)) if isinstance(module, SpatialTransformer) else module(h)
            return h

        skips = []
        for entry in self.input_blocks:
            x = run(entry, x)
            skips.append(x)
        x = run(self.middle_block, x)
        for entry in self.output_blocks:
            x = run(entry, torch.cat([x, skips.pop()], dim=1))
        return self.out(x)


def original(kind: str) -> Original:
    torch.manual_seed(5)
    return (Original((None,), film=True) if kind == "audioldm" else Original(CONTEXTS, film=False)).eval()


def library_audioldm2() -> Any:
    """The library's network in AudioLDM2's configuration: no E^t."""
    torch.manual_seed(6)
    config = dict(ours("audio+text").unet.config) | {
        "class_embed_type": None, "projection_class_embeddings_input_dim": None, "class_embeddings_concat": False,
    }  # fmt: skip
    return AudioLDM2UNet2DConditionModel.from_config(config).eval()


def sizes(retrieval: str) -> ModelConfig:
    return replace(CONFIG, retrieval=retrieval)


def ours(retrieval: str) -> RetrievalUNet:
    torch.manual_seed(7)
    return build_unet(sizes(retrieval)).eval()


def inputs(retrieval: str, seed: int = 0) -> tuple[Tensor, int, Conditioning]:
    """Two rows with ragged masks."""
    generator = torch.Generator().manual_seed(seed)
    shapes = empty_conditioning(sizes(retrieval), 2).fields()
    fields = {name: torch.randn(value.shape, generator=generator) for name, value in shapes.items()}
    if retrieval == "audio+text":
        fields["audio_mask"] = torch.arange(12) < torch.tensor([[12], [5]])
        fields["captions_mask"] = torch.arange(24) < torch.tensor([[3], [24]])
    return torch.randn(2, *CONFIG.codec.latent_shape, generator=generator), 300, Conditioning(**fields)


def prefixed(network: nn.Module, prefix: str = "model.diffusion_model.") -> dict[str, Tensor]:
    return {prefix + name: value for name, value in network.state_dict().items()}


def whole_model(network: nn.Module) -> dict[str, Any]:
    """A training checkpoint: the UNet, its averages (here the negated weights) and parts of other networks."""
    averages = {"model_ema.diffusion_model" + name.replace(".", ""): -value for name, value in network.state_dict().items()}
    others = {"first_stage_model.encoder.conv_in.weight": torch.zeros(3), "scale_factor": torch.ones(())}
    return {"state_dict": prefixed(network) | averages | others | {"model_ema.decay": torch.ones(())}, "global_step": 3}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "retrieval", "source"),
    [("audioldm", "none", Source("original", True)), ("audioldm2", "audio+text", Source("original", False))],
)
def test_original_layout_gives_the_original_output(kind: str, retrieval: str, source: Source, tmp_path: Path) -> None:
    network, unet = original(kind), ours(retrieval)
    torch.save(whole_model(network), tmp_path / "model.ckpt")
    assert load_unet(unet, tmp_path / "model.ckpt") == source
    latents, timestep, conditioning = inputs(retrieval)
    with torch.no_grad():
        expected = network(latents, timestep, conditioning)
        found = unet(latents, timestep, conditioning)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=PORT_TOLERANCE)


def test_the_map_of_names_is_complete() -> None:
    names = original_names(ours("none"))
    assert set(names.values()) == set(original("audioldm").state_dict())
    names = original_names(ours("audio+text"))
    assert set(names.values()) == set(original("audioldm2").state_dict()) | {"film_emb.weight", "film_emb.bias"}


def test_averaged_names_without_their_dots_stay_apart_at_full_size() -> None:
    with torch.device("meta"):
        names = original_names(build_unet(get_preset("re-audioldm-s"))).values()
    assert len({name.replace(".", "") for name in names}) == len(names)


def test_a_file_of_the_unet_alone(tmp_path: Path) -> None:
    network = original("audioldm")
    save_file(network.state_dict(), tmp_path / "bare.safetensors")
    torch.save({"state_dict": prefixed(network)}, tmp_path / "prefixed.ckpt")
    states = []
    for name in ("bare.safetensors", "prefixed.ckpt"):
        unet = ours("none")
        load_unet(unet, tmp_path / name)
        states.append(unet.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert torch.equal(states[0]["unet.conv_out.weight"], network.out[2].weight)


@pytest.mark.slow
def test_averaged_weights(tmp_path: Path) -> None:
    network, plain, averaged = original("audioldm"), ours("none"), ours("none")
    torch.save(whole_model(network), tmp_path / "model.ckpt")
    load_unet(plain, tmp_path / "model.ckpt")
    load_unet(averaged, tmp_path / "model.ckpt", ema=True)
    assert all(torch.equal(value, -averaged.state_dict()[name]) for name, value in plain.state_dict().items())
    torch.save({"state_dict": prefixed(network)}, tmp_path / "plain.ckpt")
    with pytest.raises(CheckpointError, match=r"plain\.ckpt contains no averaged \(EMA\) weights"):
        load_unet(plain, tmp_path / "plain.ckpt", ema=True)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["pipeline folder", "unet folder", "bin"])
def test_audioldm2_of_the_library_is_reproduced_whatever_the_text_vector(layout: str, tmp_path: Path) -> None:
    network, unet = library_audioldm2(), ours("audio+text")
    folder = tmp_path / "unet"
    network.save_pretrained(folder, safe_serialization=layout != "bin")
    assert load_unet(unet, tmp_path if layout == "pipeline folder" else folder) == Source("diffusers", False)
    latents, timestep, conditioning = inputs("audio+text")
    with torch.no_grad():
        expected = network(
            latents, timestep,
            encoder_hidden_states=conditioning.audio, encoder_attention_mask=conditioning.audio_mask,
            encoder_hidden_states_1=conditioning.captions, encoder_attention_mask_1=conditioning.captions_mask,
        ).sample  # fmt: skip
        for text in (conditioning.text, torch.zeros_like(conditioning.text), 100 * conditioning.text):
            found = unet(latents, timestep, replace(conditioning, text=text))
            torch.testing.assert_close(found, expected, rtol=0, atol=FILM_TOLERANCE)


def test_the_idle_path_of_the_text_vector_can_learn(tmp_path: Path) -> None:
    unet = ours("audio+text")
    torch.save(whole_model(original("audioldm2")), tmp_path / "model.ckpt")
    load_unet(unet, tmp_path / "model.ckpt")
    latents, timestep, conditioning = inputs("audio+text")
    unet(latents, timestep, conditioning).square().mean().backward()
    columns = unet.unet.mid_block.resnets[0].time_emb_proj.weight
    assert not columns[:, EMBED:].any()
    assert columns.grad[:, EMBED:].any()


def test_half_precision_files_keep_the_dtype_of_the_network(tmp_path: Path) -> None:
    network, unet = original("audioldm"), ours("none")
    save_file({name: value.half() for name, value in network.state_dict().items()}, tmp_path / "half.safetensors")
    load_unet(unet, tmp_path / "half.safetensors")
    assert unet.dtype == torch.float32
    torch.testing.assert_close(unet.unet.conv_out.weight, network.out[2].weight, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_checkpoints_of_other_networks_are_refused_and_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    torch.save(whole_model(original("audioldm2")), path)
    for unet in (ours("none"), ours("audio"), build_unet(replace(CONFIG, fusion="joint")), build_unet(get_preset("tiny"))):
        before = {name: value.clone() for name, value in unet.state_dict().items()}
        with pytest.raises(
            CheckpointError, match=r"model\.ckpt is not an AudioLDM or AudioLDM2 UNet of the sizes of this model"
        ):
            load_unet(unet, path)
        assert all(torch.equal(value, before[name]) for name, value in unet.state_dict().items())


def test_unusable_paths(tmp_path: Path) -> None:
    unet = ours("none")
    with pytest.raises(CheckpointError, match="does not exist"):
        load_unet(unet, tmp_path / "absent.ckpt")
    with pytest.raises(CheckpointError, match=r"has no diffusion_pytorch_model\.safetensors"):
        load_unet(unet, tmp_path)
    torch.save({"state_dict": {"something.weight": torch.zeros(2)}}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"unexpected: something\.weight"):
        load_unet(unet, tmp_path / "other.ckpt")
