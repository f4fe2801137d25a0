"""Parameters, operations and memory of a model.

Counted on networks without weights (torch's meta device), in seconds.

A multiplication with its addition counts as two operations, as in model papers; sizes are of one clip of full length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reaudio_model.config import DEFAULT_STEPS, PAPER_STEPS, ConditionConfig, ModelConfig, reads_text, retrieves

if TYPE_CHECKING:
    from torch import nn

    from reaudio_model.retrieval.records import Conditioning

BYTES = {"float32": 4, "bfloat16": 2}
CLAP_DIM = 512  # of every published CLAP; the text encoders of small presets have no known size
T5_SIZES: dict[str, dict[str, Any]] = {
    "google/flan-t5-large": {
        "d_model": 1024, "d_ff": 2816, "num_layers": 24, "num_heads": 16, "feed_forward_proj": "gated-gelu",
    },
    "t5-base": {"d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12},
}  # fmt: skip


def describe(config: ModelConfig) -> dict[str, Any]:
    """Parameters, operations and memory of a model and its parts.

    Returns:
        preset, base_channels, retrieval, fusion, k, seconds: the configuration.
        shapes: of a clip, without the batch.
        parameters: of "unet", "vae", "vocoder", "clap_text" and, where they are used, "caption_projection" (fusion "joint"),
            "audio_mae" and "t5"; None for an encoder of unknown size, which only small presets have.
        total_parameters: the sum of the known ones.
        gflop: 1e9 operations of "unet_call" (one prompt, k pairs), "vae_decode", "vae_encode", "vocoder", "audio_mae_clip" (one
            retrieved clip), and "clip_200_steps", "clip_25_steps": a whole clip with guidance, without its encoders.
        memory_mb: 1e6 bytes of the weights in each precision, by part and in total, without activations.
    """
    import torch

    with torch.device("meta"):
        networks = _networks(config)
        gflop = _gflop(config, networks)
    parameters = {name: None if network is None else _n_parameters(network) for name, network in networks.items()}
    unet = networks["unet"]
    if unet.project_captions is not None:
        # Separate, so that "unet" is comparable with published counts of this fusion.
        parameters |= {"unet": _n_parameters(unet.unet), "caption_projection": _n_parameters(unet.project_captions)}
    known = {name: count for name, count in parameters.items() if count is not None}
    known["total"] = sum(known.values())
    return {
        "preset": config.name,
        "base_channels": config.base_channels,
        "retrieval": config.retrieval,
        "fusion": config.fusion,
        "k": config.k,
        "seconds": config.codec.seconds,
        "shapes": _shapes(config),
        "parameters": parameters,
        "total_parameters": known["total"],
        "gflop": gflop,
        "memory_mb": {dtype: {name: count * size / 1e6 for name, count in known.items()} for dtype, size in BYTES.items()},
    }


def to_text(info: dict[str, Any]) -> str:
    """The result of :func:`describe` as text."""
    lines = [
        f"{info['preset']}: base_channels {info['base_channels']}, retrieval {info['retrieval']}, fusion {info['fusion']}, "
        f"k {info['k']}, {info['seconds']:g} s",
        "",
        f"{'part':20}{'parameters':>14}{'float32':>12}{'bfloat16':>12}",
    ]
    memory = info["memory_mb"]
    for name, count in (info["parameters"] | {"total": info["total_parameters"]}).items():
        sizes = "".join(f"{memory[dtype][name]:9.1f} MB" if name in memory[dtype] else f"{'–':>12}" for dtype in BYTES)
        lines.append(f"{name:20}" + (f"{count / 1e6:12.2f} M" if count is not None else f"{'–':>14}") + sizes)
    lines += ["", *(f"{name:20}{value:14,.1f} GFLOP" for name, value in info["gflop"].items())]
    lines += ["", *(f"{name:20}{' x '.join(map(str, shape)):>14}" for name, shape in info["shapes"].items())]
    return "\n".join(lines)


def _networks(config: ModelConfig) -> dict[str, Any]:
    """The parts that this model uses; None for unknown sizes."""
    from reaudio_model.codec.codec import build_vae, build_vocoder
    from reaudio_model.denoiser.unet import build_unet
    from reaudio_model.encoders.audio_mae import build_audio_mae

    networks = {
        "unet": build_unet(config),
        "vae": build_vae(config.codec),
        "vocoder": build_vocoder(config.codec),
        "clap_text": _clap_text(config.condition),
    }
    if retrieves(config.retrieval):
        networks["audio_mae"] = build_audio_mae(config.condition)
    if reads_text(config.retrieval):
        networks["t5"] = _t5(config.condition)
    return networks


def _clap_text(config: ConditionConfig) -> nn.Module | None:
    """RoBERTa-base and its projection, as in every published CLAP of LAION's."""
    from transformers import ClapTextConfig, ClapTextModelWithProjection

    return ClapTextModelWithProjection(ClapTextConfig()) if config.clap_dim == CLAP_DIM else None


def _t5(config: ConditionConfig) -> nn.Module | None:
    from transformers import T5Config, T5EncoderModel

    size = T5_SIZES.get(config.t5_name)
    return T5EncoderModel(T5Config(vocab_size=32_128, **size)) if size else None


def _shapes(config: ModelConfig) -> dict[str, list[int]]:
    codec, condition = config.codec, config.condition
    shapes = {
        "waveform": [codec.n_samples],
        "log_mel": [codec.n_frames, codec.mel.n_mels],
        "latent": list(codec.latent_shape),
        "text": [condition.clap_dim],
    }
    if retrieves(config.retrieval):
        shapes["audio_tokens"] = [config.k * condition.mae_tokens, condition.mae_dim]
    if reads_text(config.retrieval):
        captions = config.k if retrieves(config.retrieval) else 1
        shapes["caption_tokens"] = [captions * condition.t5_length, condition.t5_dim]
    return shapes


def _gflop(config: ModelConfig, networks: dict[str, Any]) -> dict[str, float]:
    """Computed on the meta device, which must be the default device."""
    import torch

    latent = torch.empty(1, *config.codec.latent_shape)
    mel = torch.empty(1, config.codec.n_frames, config.codec.mel.n_mels)
    conditioning = empty_conditioning(config)
    gflop = {
        "unet_call": _count(lambda: networks["unet"](latent, torch.zeros(1), conditioning)),
        "vae_decode": _count(lambda: networks["vae"].decode(latent)),
        "vae_encode": _count(lambda: networks["vae"].encode(mel[:, None])),
        "vocoder": _count(lambda: networks["vocoder"](mel)),
    }
    if "audio_mae" in networks:
        clip = torch.empty(1, 1, config.condition.mae_frames, config.condition.mae_bins)
        gflop["audio_mae_clip"] = _count(lambda: networks["audio_mae"](pixel_values=clip))
    after = gflop["vae_decode"] + gflop["vocoder"]
    for steps in (PAPER_STEPS, DEFAULT_STEPS):
        gflop[f"clip_{steps}_steps"] = 2 * steps * gflop["unet_call"] + after  # 2: with and without the conditions
    return gflop


def empty_conditioning(config: ModelConfig, batch: int = 1) -> Conditioning:
    """Conditioning of the shapes that a model takes with its k pairs, no token masked, uninitialised, on the default device."""
    import torch

    from reaudio_model.retrieval.records import Conditioning

    shapes = _shapes(config)
    tokens = {
        field: torch.empty(batch, *shapes[name])
        for field, name in (("audio", "audio_tokens"), ("captions", "caption_tokens"))
        if name in shapes
    }
    return Conditioning(torch.empty(batch, *shapes["text"]), **tokens)


def _count(call: Callable[[], object]) -> float:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return float(counter.get_total_flops() / 1e9)


def _n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
