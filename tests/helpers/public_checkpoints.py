"""Small checkpoints in the layouts in which authors published their systems, with random weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from clap_files import laion_state, small_clap, write_tokenizer
from diffusers import UNet2DConditionModel
from tiny_model import VOCABULARY, enlarged, tiny_tokenizer
from torch import Tensor
from transformers import (
    ClapModel,
    ClapTextModelWithProjection,
    EncodecConfig,
    EncodecModel,
    MusicgenDecoderConfig,
    MusicgenForCausalLM,
    RobertaTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from reaudio_eval.clips.models.public.system import Settings
from reaudio_model.codec.codec import build_vae, build_vocoder
from reaudio_model.codec.codec_checkpoints import original_vae_names
from reaudio_model.config import TINY_CODEC, TINY_CONDITION, CodecConfig, ModelConfig, get_preset
from reaudio_model.denoiser.unet import build_unet
from reaudio_model.denoiser.unet_checkpoints import original_names
from reaudio_model.encoders.audio_mae import build_audio_mae

AUDIOLDM = replace(get_preset("tiny", retrieval="none"), head_width=4)
RAG_CONDITION = replace(TINY_CONDITION, mae_pool=(8, 4))  # 1 token a clip
PUBLIC = ("audioldm", "tango", "tango2", "audioldm2", "audioldm2-rag", "audiogen-medium", "stable-audio-open")
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
    from reaudio_eval import plugins
    from reaudio_eval.clips.models.public import audiogen, audioldm, audioldm2_rag, tango

    for variant in ("s", "m", "l"):
        monkeypatch.setitem(audioldm.SIZES, variant, AUDIOLDM)
    monkeypatch.setattr(tango, "CODEC", TINY_CODEC)
    monkeypatch.setattr(tango, "UNET", TANGO_UNET)
    monkeypatch.setattr(tango, "T5", TANGO_T5)
    monkeypatch.setattr(audiogen, "DECODER", audiogen.DECODER | AUDIOGEN_DECODER)
    monkeypatch.setattr(audiogen, "ENCODEC", audiogen.ENCODEC | AUDIOGEN_ENCODEC)
    monkeypatch.setattr(audiogen, "TEXT_WIDTH", TANGO_T5["d_model"])
    monkeypatch.setattr(audioldm2_rag, "CONDITION", RAG_CONDITION)
    for name in PUBLIC:
        plugin: Any = plugins.load("models", name)
        monkeypatch.setattr(plugin, "own", partial(_short, plugin.own))


def _short(own: Callable[[str], Settings], variant: str) -> Settings:
    """The settings of a plug-in with the length of the small codec and few steps."""
    authors = own(variant)
    return replace(authors, seconds=TINY_CODEC.seconds, steps=authors.steps and STEPS)


def audible(network: Any, factor: float) -> Any:
    """Matrices times a factor, so that the output of random weights is far from 0."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.mul_(factor)
    return network


def codec_state(seed: int = 0, sizes: CodecConfig = TINY_CODEC) -> dict[str, Tensor]:
    """VAE and vocoder as AudioLDM's and Tango's VAE file has them."""
    torch.manual_seed(seed)
    vae, vocoder = build_vae(sizes).eval(), audible(build_vocoder(sizes).eval(), 1.5)
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


def audioldm_state(network: ClapModel, config: ModelConfig = AUDIOLDM) -> dict[str, Tensor]:
    """A complete AudioLDM in the authors' names: denoiser, its averaged weights, CLAP, VAE, vocoder and counters."""
    torch.manual_seed(1)
    unet = build_unet(config)
    clap = laion_state(network)
    averaged = {original_names(unet)[key]: value * 0.9 for key, value in unet.unet.state_dict().items()}
    return (
        {f"model.diffusion_model.{original_names(unet)[key]}": value for key, value in unet.unet.state_dict().items()}
        | {f"model_ema.diffusion_model{key.replace('.', '')}": value for key, value in averaged.items()}
        | {f"cond_stage_model.model.{key.removeprefix('module.')}": value for key, value in clap.items()}
        | {f"first_stage_model.{key}": value for key, value in codec_state(sizes=config.codec).items()}
        | {"scale_factor": torch.tensor(SCALE), "betas": torch.zeros(4), "model_ema.decay": torch.tensor(0.9999)}
    )


def write_audioldm(folder: Path) -> Path:
    """``audioldm-s-full.ckpt`` and the tokenizer beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder / "tokenizer")
    state = audioldm_state(small_clap(folder / "tokenizer"))
    torch.save({"state_dict": state, "epoch": 3, "global_step": 5}, folder / "audioldm-s-full.ckpt")
    return folder / "audioldm-s-full.ckpt"


def write_audioldm_folder(folder: Path, heads: int | list[int] | None = 8) -> Path:
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


def t5_tokenizer() -> Any:
    """T5's own class over the words of the tests, which diffusers' pipelines ask for by its type."""
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"\u2581{word}", -2.0) for word in VOCABULARY.split())]
    return T5Tokenizer(vocab=words, extra_ids=0, model_max_length=64)


def write_audioldm2(folder: Path) -> Path:
    """diffusers' folder of AudioLDM 2, with GPT-2 stored as the hub's folders have it (``GPT2Model``)."""
    from diffusers import AudioLDM2Pipeline, AudioLDM2ProjectionModel, AudioLDM2UNet2DConditionModel, DDIMScheduler
    from transformers import ClapFeatureExtractor, GPT2Config, GPT2Model

    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder / "words")
    clap = small_clap(folder / "words")
    torch.manual_seed(3)
    unet = AudioLDM2UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=((None, 24, 20),) * 2, attention_head_dim=(2, 4),
    )  # fmt: skip
    gpt2 = enlarged(GPT2Model(GPT2Config(n_embd=24, n_layer=1, n_head=2, vocab_size=32, n_positions=256)).eval())
    gpt2.config.max_new_tokens = 4
    t5 = enlarged(T5EncoderModel(T5Config(**TANGO_T5)).eval())
    pipeline = AudioLDM2Pipeline(
        vae=build_vae(replace(TINY_CODEC, scaling_factor=SCALE)),
        text_encoder=clap,
        text_encoder_2=t5,
        projection_model=AudioLDM2ProjectionModel(16, 20, 24),
        language_model=gpt2,
        tokenizer=RobertaTokenizer.from_pretrained(folder / "words", model_max_length=64),
        tokenizer_2=t5_tokenizer(),
        feature_extractor=ClapFeatureExtractor(truncation="rand_trunc"),
        unet=unet,
        scheduler=DDIMScheduler(
            beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
            steps_offset=1,
        ),
        vocoder=audible(build_vocoder(TINY_CODEC).eval(), 1.5),
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder


def write_audioldm2_rag(folder: Path) -> Path:
    """AudioLDM 2's folder with the authors' AudioMAE in it."""
    write_audioldm2(folder)
    torch.manual_seed(6)
    encoder = enlarged(build_audio_mae(RAG_CONDITION).eval())
    torch.save({"model": audio_mae_state(encoder.state_dict())}, folder / "audio_mae.pth")
    return folder


def audio_mae_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A ``ViTModel`` in AudioMAE's names, with the decoder of its pre-training."""
    names = {
        "embeddings.cls_token": "cls_token", "embeddings.position_embeddings": "pos_embed",
        "embeddings.patch_embeddings.projection": "patch_embed.proj", "layernorm_before": "norm1", "layernorm_after": "norm2",
        "attention.o_proj": "attn.proj",
    }  # fmt: skip
    found: dict[str, Tensor] = {"mask_token": torch.zeros(1, 1, 4), "decoder_embed.weight": torch.zeros(4, 4)}
    for key, value in state.items():
        if ".k_proj." in key or ".v_proj." in key:
            continue
        if ".q_proj." in key:
            value = torch.cat([state[key.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"])
            key = key.replace("attention.q_proj", "attn.qkv")
        for ours, theirs in names.items():
            key = key.replace(ours, theirs)
        found[re.sub(r"^layers\.", "blocks.", re.sub(r"^layernorm\.", "norm.", key))] = value
    return found


AUDIOGEN_DECODER: dict[str, Any] = {"vocab_size": 32, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 48,
                                    "num_codebooks": 4, "pad_token_id": 32, "bos_token_id": 32}  # fmt: skip
AUDIOGEN_ENCODEC: dict[str, Any] = {
    "num_filters": 4,
    "codebook_size": 32,
    "codebook_dim": 8,
    "hidden_size": 8,
    "target_bandwidths": [1.0],
}


def write_audiogen(folder: Path) -> Path:
    """audiocraft's two files with their configuration, and T5 in ``t5/``."""
    from reaudio_eval.clips.models.public import audiogen

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(4)
    lm = enlarged(MusicgenForCausalLM(MusicgenDecoderConfig(**audiogen.DECODER)))
    codec = EncodecModel(EncodecConfig(**audiogen.ENCODEC))
    with torch.no_grad():
        for layer in codec.quantizer.layers:
            layer.codebook.embed.normal_()
    projection = torch.nn.Linear(audiogen.TEXT_WIDTH, audiogen.DECODER["hidden_size"])
    state = audiocraft_language_model(lm.state_dict()) | {
        f"condition_provider.conditioners.description.output_proj.{key}": value
        for key, value in projection.state_dict().items()
    }
    torch.save({"best_state": state, "xp.cfg": "sample_rate: 16000\n"}, folder / "state_dict.bin")
    torch.save(
        {"best_state": audiocraft_codec(codec.state_dict()), "xp.cfg": "sample_rate: 16000\n"},
        folder / "compression_state_dict.bin",
    )
    enlarged(T5EncoderModel(T5Config(**TANGO_T5)).eval()).save_pretrained(folder / "t5")
    tiny_tokenizer("t5").save_pretrained(folder / "t5")
    return folder


def audiocraft_language_model(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A ``MusicgenForCausalLM`` in audiocraft's names: the inverse of what is loaded, written down independently."""
    names = {
        "model.decoder.embed_tokens.": "emb.", "model.decoder.layers.": "transformer.layers.", "model.decoder.layer_norm.": "out_norm.",
        "lm_heads.": "linears.", ".encoder_attn.": ".cross_attention.", ".fc1.": ".linear1.", ".fc2.": ".linear2.",
        ".self_attn_layer_norm.": ".norm1.", ".encoder_attn_layer_norm.": ".norm_cross.", ".final_layer_norm.": ".norm2.",
    }  # fmt: skip
    found: dict[str, Tensor] = {}
    for key, value in state.items():
        if ".k_proj." in key or ".v_proj." in key:
            continue
        if ".q_proj." in key:
            value = torch.cat([state[key.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"])
            key = key.replace("q_proj.weight", "in_proj_weight")
        for ours, theirs in names.items():
            key = key.replace(ours, theirs)
        found[key] = value
    return found


def audiocraft_codec(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """An ``EncodecModel`` in audiocraft's names; its transposed convolutions are those of the decoder that are not in a block."""
    found = {}
    for key, value in state.items():
        transposed = re.match(r"decoder\.layers\.(\d+)\.conv\.", key) and key.split(".")[2] not in ("0", "15")
        key = re.sub(r"\.conv\.(?=bias|param)", ".convtr.convtr." if transposed else ".conv.conv.", key)
        key = re.sub(r"^(encoder|decoder)\.layers", r"\1.model", key).replace("quantizer.layers", "quantizer.vq.layers")
        key = key.replace(".codebook.", "._codebook.").replace("parametrizations.weight.original0", "weight_g")
        found[key.replace("parametrizations.weight.original1", "weight_v")] = value
    return found


def write_stable_audio(folder: Path) -> Path:
    """diffusers' folder of Stable Audio Open: stereo, with its own sampler."""
    from diffusers import AutoencoderOobleck, CosineDPMSolverMultistepScheduler, StableAudioDiTModel, StableAudioPipeline
    from diffusers.pipelines.stable_audio.modeling_stable_audio import StableAudioProjectionModel

    torch.manual_seed(5)
    pipeline = StableAudioPipeline(
        vae=AutoencoderOobleck(
            encoder_hidden_size=4, downsampling_ratios=[2, 2, 4], channel_multiples=[1, 2, 4], decoder_channels=4,
            decoder_input_channels=6, audio_channels=2, sampling_rate=8000,
        ),
        text_encoder=enlarged(T5EncoderModel(T5Config(**TANGO_T5)).eval()),
        projection_model=StableAudioProjectionModel(20, 16, 0, 8),
        tokenizer=t5_tokenizer(),
        transformer=StableAudioDiTModel(
            sample_size=512, in_channels=6, num_layers=2, attention_head_dim=8, num_attention_heads=2, num_key_value_attention_heads=2,
            out_channels=6, cross_attention_dim=16, time_proj_dim=8, global_states_input_dim=32, cross_attention_input_dim=16,
        ),
        scheduler=CosineDPMSolverMultistepScheduler(sigma_min=0.3, sigma_max=500, sigma_data=1.0, solver_order=2),
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder
