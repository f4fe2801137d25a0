"""Small checkpoints in the layouts in which authors published their systems, with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from clap_files import laion_state, small_clap, write_tokenizer
from diffusers import UNet2DConditionModel
from tiny_model import enlarged, tiny_tokenizer
from torch import Tensor
from transformers import ClapTextModelWithProjection, T5Config, T5EncoderModel

from reaudio_eval.clips.models.public.system import Settings
from reaudio_model.codec.codec import build_vae, build_vocoder
from reaudio_model.codec.codec_checkpoints import original_vae_names
from reaudio_model.config import TINY_CODEC, ModelConfig, get_preset
from reaudio_model.denoiser.unet import build_unet
from reaudio_model.denoiser.unet_checkpoints import original_names

AUDIOLDM = replace(get_preset("tiny", retrieval="none"), head_width=4)
STEPS = 3
SCALE = 1.25  # of the latents
TANGO_UNET: dict[str, Any] = {
    "sample_size": (4, 4), "in_channels": 4, "out_channels": 4, "attention_head_dim": (2, 4), "block_out_channels": (32, 64),
    "cross_attention_dim": 20, "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "layers_per_block": 1, "use_linear_projection": True,
    "upcast_attention": True,
}  # fmt: skip
TANGO_T5: dict[str, Any] = {
    "vocab_size": 128, "d_model": 20, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "dropout_rate": 0.0,
    "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False,
}  # fmt: skip


def make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes of these checkpoints in place of the published ones."""
    from reaudio_eval.clips.models import audioldm as audioldm_plugin
    from reaudio_eval.clips.models import tango as tango_plugin
    from reaudio_eval.clips.models import tango2 as tango2_plugin
    from reaudio_eval.clips.models.public import audioldm, tango

    for variant in ("s", "m", "l"):
        monkeypatch.setitem(audioldm.SIZES, variant, AUDIOLDM)
    monkeypatch.setattr(tango, "CODEC", TINY_CODEC)
    monkeypatch.setattr(tango, "UNET", TANGO_UNET)
    monkeypatch.setattr(tango, "T5", TANGO_T5)
    for plugin in (audioldm_plugin.PLUGIN, tango_plugin.PLUGIN, tango2_plugin.PLUGIN):
        monkeypatch.setattr(plugin, "own", partial(_short, plugin.own))


def _short(own: Callable[[str], Settings], variant: str) -> Settings:
    """The settings of a plug-in with the length of the small codec and few steps."""
    return replace(own(variant), seconds=TINY_CODEC.seconds, steps=STEPS)


def audible(network: Any, factor: float) -> Any:
    """Matrices times a factor, so that the output of random weights is far from 0."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.mul_(factor)
    return network


def codec_state(seed: int = 0) -> dict[str, Tensor]:
    """VAE and vocoder as AudioLDM's and Tango's VAE file has them."""
    torch.manual_seed(seed)
    vae, vocoder = build_vae(TINY_CODEC).eval(), audible(build_vocoder(TINY_CODEC).eval(), 1.5)
    names = original_vae_names(vae)
    state = {
        names[key]: value[..., None, None] if "attn_1" in names[key] and value.ndim == 2 else value
        for key, value in vae.state_dict().items()
    }
    return state | {
        "vocoder." + key.replace("upsampler.", "ups."): value
        for key, value in vocoder.state_dict().items()
        if key not in ("mean", "scale")
    }


def audioldm_state(tokenizer: Path, config: ModelConfig = AUDIOLDM) -> dict[str, Tensor]:
    """A complete AudioLDM in the authors' names: denoiser, its averaged weights, CLAP, VAE, vocoder and counters."""
    torch.manual_seed(1)
    unet = build_unet(config)
    clap = laion_state(small_clap(tokenizer))
    averaged = {original_names(unet)[key]: value * 0.9 for key, value in unet.unet.state_dict().items()}
    return (
        {f"model.diffusion_model.{original_names(unet)[key]}": value for key, value in unet.unet.state_dict().items()}
        | {f"model_ema.diffusion_model{key.replace('.', '')}": value for key, value in averaged.items()}
        | {f"cond_stage_model.model.{key.removeprefix('module.')}": value for key, value in clap.items()}
        | {f"first_stage_model.{key}": value for key, value in codec_state().items()}
        | {"scale_factor": torch.tensor(SCALE), "betas": torch.zeros(4), "model_ema.decay": torch.tensor(0.9999)}
    )


def write_audioldm(folder: Path) -> Path:
    """``audioldm-s-full.ckpt`` and the tokenizer beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder / "tokenizer")
    torch.save({"state_dict": audioldm_state(folder / "tokenizer"), "epoch": 3, "global_step": 5}, folder / "audioldm-s-full.ckpt")
    return folder / "audioldm-s-full.ckpt"


def write_audioldm_folder(folder: Path, heads: int | None = 8) -> Path:
    """The same weights as diffusers' converter saves them: no averaged weights, CLAP's text encoder alone, 8 heads or none stated."""
    torch.manual_seed(1)
    unet = build_unet(AUDIOLDM)
    for name in ("unet", "vae", "vocoder", "text_encoder"):
        (folder / name).mkdir(parents=True)
    torch.save(unet.unet.state_dict(), folder / "unet" / "diffusion_pytorch_model.bin")
    (folder / "unet" / "config.json").write_text(json.dumps({} if heads is None else {"attention_head_dim": heads}))
    torch.manual_seed(0)
    vae, vocoder = build_vae(replace(TINY_CODEC, scaling_factor=SCALE)), audible(build_vocoder(TINY_CODEC).eval(), 1.5)
    vae.save_pretrained(folder / "vae")
    vocoder.save_pretrained(folder / "vocoder")
    write_tokenizer(folder / "tokenizer")
    clap = small_clap(folder / "tokenizer")
    text = ClapTextModelWithProjection(clap.config.text_config)
    text.config.projection_dim = clap.config.projection_dim
    text = ClapTextModelWithProjection(text.config)
    text.text_model.load_state_dict(clap.text_model.state_dict())
    text.text_projection.load_state_dict(clap.text_projection.state_dict())
    text.save_pretrained(folder / "text_encoder")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "AudioLDMPipeline"}))
    return folder


def write_tango(folder: Path) -> Path:
    """Tango's folder: settings, weights and T5's tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(2)
    unet = UNet2DConditionModel(**TANGO_UNET)
    t5 = enlarged(T5EncoderModel(T5Config(**TANGO_T5)).eval())
    main = {f"unet.{key}": value for key, value in unet.state_dict().items()}
    torch.save(main | {f"text_encoder.{k}": v for k, v in t5.state_dict().items()}, folder / "pytorch_model_main.bin")
    torch.save(codec_state(), folder / "pytorch_model_vae.bin")
    torch.save({"mel_basis": torch.zeros(64, 513)}, folder / "pytorch_model_stft.bin")
    main_config = {
        "text_encoder_name": "google/flan-t5-large",
        "scheduler_name": "stabilityai/stable-diffusion-2-1",
        "unet_model_config_path": "configs/diffusion_model_config.json",
        "snr_gamma": 5,
    }
    (folder / "main_config.json").write_text(json.dumps(main_config))
    (folder / "vae_config.json").write_text(json.dumps({"scale_factor": SCALE, "embed_dim": 8}))
    (folder / "stft_config.json").write_text(json.dumps({"filter_length": 1024}))
    tiny_tokenizer("t5").save_pretrained(folder / "tokenizer")
    return folder
