"""Loading published UNets of AudioLDM and AudioLDM2.

In the authors' layout or in diffusers'. AudioLDM2's network (contexts: GPT-2's 768, T5's 1024) equals ours for "audio+text" without the
FiLM layer of E^t, and AudioLDM's equals ours for "none". Names of the authors' layout: AudioLDM-training-finetuning, ``openaimodel.py``;
of its averaged weights, ``ema.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.weights import DIFFUSERS_WEIGHTS, check_keys, load_state_dict, weights_file
from reaudio_model.denoiser.unet import RetrievalUNet
from reaudio_model.denoiser.unet_settings import check_unet_settings

ORIGINAL_PREFIX = "model.diffusion_model."
EMA_PREFIX = "model_ema.diffusion_model"  # the names after it have lost their dots
_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "class_embedding": "film_emb",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


class Source(NamedTuple):
    """Source of loaded weights. layout: "original" or "diffusers"; film: False if E^t has no effect initially."""

    layout: str
    film: bool


def load_unet(unet: RetrievalUNet, path: Path, *, ema: bool | None = False) -> Source:
    """Load the weights of an AudioLDM or AudioLDM2 UNet.

    AudioLDM2 has no E^t: its columns in each ResNet block are set to zero, so that the network initially equals AudioLDM2's; its
    projection keeps its random weights, so that training can use it.

    Args:
        unet: of the same sizes, fusion "serial", retrieval "none" (AudioLDM) or "audio+text" (AudioLDM2); unchanged on an
            error.
        path: a file in the authors' layout (the complete model, or the UNet alone) or diffusers'; or a folder of diffusers'
            layout, of the pipeline or of its UNet.
        ema: load the averaged weights of a file in the authors' layout, which are better for sampling; None: where it has them.

    Raises:
        CheckpointError: missing, damaged, without averaged weights, or of another network, by its shapes or its settings
            (:func:`reaudio_model.denoiser.unet_settings.check_unet_settings`, which warns of another number of heads).
    """
    file = weights_file(path, names=DIFFUSERS_WEIGHTS, part="unet")
    check_unet_settings(unet, file)
    state = load_state_dict(file, wrapper="state_dict")
    original = any(key.startswith((ORIGINAL_PREFIX, "input_blocks.")) for key in state)
    if ema or (ema is None and any(key.startswith(EMA_PREFIX) for key in state)):
        state = _averaged(state, unet, file)
    elif original:
        state = _renamed(state, unet)
    film = "class_embedding.weight" in state
    if not film:
        state = _with_idle_film(state, unet)
    check_keys(state, unet.unet, file, f"an AudioLDM or AudioLDM2 UNet of the sizes of {_sizes(unet)}")
    unet.unet.load_state_dict(state)
    return Source("original" if original else "diffusers", film)


def original_names(unet: RetrievalUNet) -> dict[str, str]:
    """Name of each tensor of ``unet.unet`` -> its name in the authors' layout, without ``model.diffusion_model.``."""
    modules = _original_modules(unet.unet)
    return {key: _rename(key, modules) for key in unet.unet.state_dict()}


def _rename(key: str, modules: dict[str, str]) -> str:
    """``key`` with its longest known leading module replaced; the names below it agree."""
    parts = key.split(".")
    ours = next(name for size in range(len(parts), 0, -1) if (name := ".".join(parts[:size])) in modules)
    return modules[ours] + key.removeprefix(ours)


def _original_modules(network: Any) -> dict[str, str]:
    """Module of diffusers -> module of the authors, who count ResNet blocks, down- and upsampling in one list each way.

    An entry of such a list contains a ResNet block (0), its transformers (1, 2, ...) and, in the decoder, the upsampling.
    """
    modules = dict(_ENDS)
    position = 1
    for level, block in enumerate(network.down_blocks):
        for layer in range(len(block.resnets)):
            modules |= _place(f"down_blocks.{level}", layer, f"input_blocks.{position}", _transformers(block))
            position += 1
        if block.downsamplers:
            modules[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{position}.0.op"
            position += 1
    position = 0
    for level, block in enumerate(network.up_blocks):
        for layer in range(len(block.resnets)):
            modules |= _place(f"up_blocks.{level}", layer, f"output_blocks.{position}", _transformers(block))
            position += 1
        if block.upsamplers:
            last = f"output_blocks.{position - 1}.{1 + _transformers(block)}"
            modules[f"up_blocks.{level}.upsamplers.0.conv"] = f"{last}.conv"
    middle = len(network.mid_block.attentions)
    return (
        modules
        | _place("mid_block", 0, "middle_block", middle)
        | _resnet("mid_block.resnets.1", f"middle_block.{1 + middle}")
    )


def _transformers(block: Any) -> int:
    """Number of transformers after each ResNet block."""
    return len(block.attentions) // len(block.resnets) if hasattr(block, "attentions") else 0


def _place(block: str, layer: int, entry: str, transformers: int) -> dict[str, str]:
    """A ResNet block and the transformers after it."""
    attentions = {f"{block}.attentions.{layer * transformers + i}": f"{entry}.{1 + i}" for i in range(transformers)}
    return attentions | _resnet(f"{block}.resnets.{layer}", f"{entry}.0")


def _resnet(ours: str, original: str) -> dict[str, str]:
    return {f"{ours}.{name}": f"{original}.{theirs}" for name, theirs in _RESNET.items()}


def _renamed(state: dict[str, Tensor], unet: RetrievalUNet) -> dict[str, Tensor]:
    """The UNet of a file in the authors' layout under diffusers' names; unknown names are kept."""
    inside = {key.removeprefix(ORIGINAL_PREFIX): value for key, value in state.items() if key.startswith(ORIGINAL_PREFIX)}
    ours = {theirs: name for name, theirs in original_names(unet).items()}
    return {ours.get(key, key): value for key, value in (inside or state).items()}


def _averaged(state: dict[str, Tensor], unet: RetrievalUNet, file: Path) -> dict[str, Tensor]:
    averages = {key.removeprefix(EMA_PREFIX): value for key, value in state.items() if key.startswith(EMA_PREFIX)}
    if not averages:
        raise CheckpointError(f"{file} contains no averaged (EMA) weights: load it without them.")
    ours = {theirs.replace(".", ""): name for name, theirs in original_names(unet).items()}
    return {ours.get(key, key): value for key, value in averages.items()}


def _with_idle_film(state: dict[str, Tensor], unet: RetrievalUNet) -> dict[str, Tensor]:
    """With the layers of E^t that AudioLDM2 lacks: projection unchanged, columns in each ResNet block zero."""
    ours = unet.unet.state_dict()
    filled = {key: value for key, value in ours.items() if key.startswith("class_embedding.")}
    for key, value in state.items():
        widened = key.endswith("time_emb_proj.weight") and key in ours and 2 * value.shape[1] == ours[key].shape[1]
        filled[key] = torch.cat([value, torch.zeros_like(value)], dim=1) if widened else value
    return filled


def _sizes(unet: RetrievalUNet) -> str:
    channels = "/".join(map(str, unet.config["channels"]))
    return f"this model (channels {channels}, retrieval {unet.config['retrieval']!r}, fusion {unet.config['fusion']!r})"
