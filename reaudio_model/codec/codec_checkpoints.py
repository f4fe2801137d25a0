"""Loading published VAEs and vocoders.

From AudioLDM's, Tango's and HiFi-GAN's files, and from diffusers' folders.

Names of the original layout: AudioLDM-training-finetuning, ``modules/diffusionmodules/model.py`` (CompVis' autoencoder) and
``modules/hifigan/models.py``.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import SpeechT5HifiGan

from reaudio_model.codec.codec import build_vae, build_vocoder, remove_weight_norm
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.json_files import read_json_object
from reaudio_model.common.stored_settings import check_settings, stored_settings
from reaudio_model.common.weights import DIFFUSERS_WEIGHTS, FOLDER_WEIGHTS, check_keys, load_state_dict, weights_file
from reaudio_model.config import CodecConfig

FIRST_STAGE = "first_stage_model."  # VAE and vocoder in a complete AudioLDM
VOCODER = "vocoder."  # the vocoder in a VAE file
TANGO_VAE = "pytorch_model_vae.bin"
VAE_PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
# Settings that the shapes of the weights do not determine.
VAE_SETTINGS = ("act_fn", "norm_num_groups")
VOCODER_SETTINGS = ("sampling_rate", "upsample_rates", "resblock_dilation_sizes", "leaky_relu_slope", "normalize_before")
_VAE_NAMES = {  # ours -> original
    r"(down|up)_blocks\.(\d+)\.resnets\.(\d+)": r"\1.\2.block.\3",
    r"(down|up)_blocks\.(\d+)\.(down|up)samplers\.0": r"\1.\2.\3sample",
    r"mid_block\.resnets\.0": "mid.block_1",
    r"mid_block\.resnets\.1": "mid.block_2",
    r"mid_block\.attentions\.0\.group_norm": "mid.attn_1.norm",
    r"mid_block\.attentions\.0\.to_([qkv])": r"mid.attn_1.\1",
    r"mid_block\.attentions\.0\.to_out\.0": "mid.attn_1.proj_out",
    "conv_shortcut": "nin_shortcut",
    "conv_norm_out": "norm_out",
}
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # older diffusers


def load_vae(path: Path, config: CodecConfig) -> AutoencoderKL:
    """A VAE with published weights, float32, on the CPU, in evaluation mode.

    Args:
        path: a file in AudioLDM's layout (the complete model, the VAE of its training, Tango's ``pytorch_model_vae.bin``) or in
            diffusers'; or a diffusers folder, of a pipeline or of its VAE.
        config: the architecture. The scaling factor is that of the file (``scale_factor`` of a complete AudioLDM, of the
            ``vae_config.json`` beside Tango's, ``config.json`` in a folder), if it has one.

    Raises:
        CheckpointError: missing, damaged, or of another network.
    """
    file = weights_file(path, names=DIFFUSERS_WEIGHTS, part="vae")
    stored = load_state_dict(file, wrapper="state_dict")
    settings = stored_settings(file)
    vae = build_vae(replace(config, scaling_factor=_scaling_factor(stored, settings, file, config)))
    state = _of_vae(_inside(stored, FIRST_STAGE), vae)
    check_keys(state, vae, file, f"a VAE of the sizes of this model (channels {'/'.join(map(str, config.vae_channels))})")
    check_settings(vae.config, settings, VAE_SETTINGS, file)
    vae.load_state_dict(state)
    return vae.eval()


def _scaling_factor(stored: dict[str, Tensor], settings: dict[str, Any], file: Path, config: CodecConfig) -> float:
    """The factor of a VAE's latents; that of ``config`` for a file in the original layout without one."""
    if file.name == TANGO_VAE:
        return _tango_factor(file.with_name("vae_config.json"))
    is_saved = file.name in DIFFUSERS_WEIGHTS  # by diffusers, with its config.json
    factor = stored.get("scale_factor", settings.get("scaling_factor", None if is_saved else config.scaling_factor))
    value = _positive(factor)
    if value is None:
        raise CheckpointError(
            f"{file.with_name('config.json')} is missing or has no scaling_factor above 0: copy the one that was saved with the VAE."
        )
    return value


def _tango_factor(path: Path) -> float:
    """The factor of Tango's latents, which its weights do not include."""
    found = read_json_object(path, "the settings of Tango's VAE", remedy="fetch it again", error=CheckpointError)
    value = _positive(found.get("scale_factor"))
    if value is None:
        raise CheckpointError(f"{path} has no scale_factor above 0: fetch it again.")
    return value


def _positive(factor: Any) -> float | None:
    value = float(factor) if isinstance(factor, Tensor | Real) and not isinstance(factor, bool) else math.nan
    return value if 0 < value < math.inf else None


def load_vocoder(path: Path, config: CodecConfig) -> SpeechT5HifiGan:
    """A HiFi-GAN generator with published weights, float32, on the CPU, in evaluation mode, without weight norm.

    Args:
        path: a file in the original layout (a complete AudioLDM or its VAE, which include a vocoder; or HiFi-GAN's own
            ``{"generator": ...}``, with or without weight norm) or in transformers'; or a folder, of a diffusers pipeline or of
            its vocoder.
        config: the architecture.

    Raises:
        CheckpointError: missing, damaged, or of another network.
    """
    file = weights_file(path, names=FOLDER_WEIGHTS, part="vocoder")
    stored = load_state_dict(file, wrapper=("generator", "state_dict"))
    vocoder = build_vocoder(config)
    state = _of_vocoder(_inside(_inside(stored, FIRST_STAGE), VOCODER), config)
    if any(".parametrizations." in key for key in state):
        vocoder.apply_weight_norm()
    check_keys(state, vocoder, file, f"a HiFi-GAN of the sizes of this model (channels {config.vocoder_channels})")
    check_settings(vocoder.config, stored_settings(file), VOCODER_SETTINGS, file)
    vocoder.load_state_dict(state)
    remove_weight_norm(vocoder)
    return vocoder.eval()


def original_vae_names(vae: AutoencoderKL) -> dict[str, str]:
    """Name of each tensor -> its name in AudioLDM's layout, without ``first_stage_model.``; there the decoder's blocks count from
    the output, and the attention's projections are 1 x 1 convolutions."""
    last = len(vae.config.up_block_types) - 1
    names = {}
    for ours in vae.state_dict():
        name = re.sub(r"(?<=up_blocks\.)\d+", lambda found: str(last - int(found[0])), ours)
        for pattern, original in _VAE_NAMES.items():
            name = re.sub(pattern, original, name)
        names[ours] = name
    return names


def _of_vae(state: dict[str, Tensor], vae: AutoencoderKL) -> dict[str, Tensor]:
    """The VAE's tensors under diffusers' names, without other tensors (discriminator, vocoder, counters)."""
    state = {key: value for key, value in state.items() if key.startswith(VAE_PARTS)}
    if any(key.startswith("encoder.mid.") for key in state):
        ours = {original: name for name, original in original_vae_names(vae).items()}
        return {ours.get(k, k): v.flatten(1) if ".attn_1." in k and v.ndim == 4 else v for k, v in state.items()}
    old = "|".join(_OLD_ATTENTION)
    return {re.sub(rf"(?<=attentions\.0\.)({old})\b", lambda m: _OLD_ATTENTION[m[0]], k): v for k, v in state.items()}


def _of_vocoder(state: dict[str, Tensor], config: CodecConfig) -> dict[str, Tensor]:
    """The vocoder's tensors under transformers' names, with weight norm in torch's current form.

    transformers' class has statistics of an input normalisation, although it is disabled here.
    """
    renamed = {"mean": torch.zeros(config.mel.n_mels), "scale": torch.ones(config.mel.n_mels)}
    for key, value in state.items():
        name = re.sub(r"^ups\.", "upsampler.", key.removeprefix("_orig_mod."))  # saved from a compiled module
        name = name.replace(".weight_g", ".parametrizations.weight.original0")
        renamed[name.replace(".weight_v", ".parametrizations.weight.original1")] = value
    return renamed


def _inside(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it; all tensors if none has the prefix."""
    inside = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return inside or state
