"""The settings saved with a published UNet, compared with ours.

Shapes do not determine the number of attention heads: the same weights with another number are another function (a call of AudioLDM-L
with 32-wide instead of 64-wide heads differs by 1.4e-2 of its largest value, random weights).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from reaudio_model.common.json_files import as_read_back
from reaudio_model.common.stored_settings import check_settings, require_equal, stored_settings
from reaudio_model.denoiser.unet import RetrievalUNet

_LOG = logging.getLogger(__name__)
HEADS = "attention_head_dim"  # diffusers' name for the number of heads
DIFFUSERS_HEADS = 8  # of diffusers' classes where none are stated
AUDIOLDM_L_CHANNELS, AUDIOLDM_L_HEAD_WIDTH = (
    256,
    64,
)  # num_head_channels of the authors' large configuration; 32 in the others
SETTINGS = (
    "block_out_channels",
    "layers_per_block",
    "norm_num_groups",
    "norm_eps",
    "act_fn",
    "flip_sin_to_cos",
    "freq_shift",
)


def check_unet_settings(unet: RetrievalUNet, file: Path) -> None:
    """Compare the ``config.json`` of a diffusers folder with a network; other files state no settings.

    A difference in the number of heads is a warning in the log: diffusers' converter writes none, or 8 at every level, for networks whose
    authors have another number, and the authors' is used. So is a network of AudioLDM-L's width whose heads are not as wide.

    Args:
        unet: the network that will have the weights.
        file: the weights.

    Raises:
        CheckpointError: the configuration is not JSON, or of a network with other channels, layers, contexts, normalisation, activation
            or time embedding.
    """
    _warn_of_large(unet, file)
    stored = stored_settings(file)
    if not stored:
        return
    ours = unet.unet.config
    check_settings(ours, stored, SETTINGS, file)
    widths = list(ours.block_out_channels)
    if "cross_attention_dim" in stored:
        expected = _contexts(as_read_back(ours.cross_attention_dim), widths)
        require_equal("cross_attention_dim", _contexts(stored["cross_attention_dim"], widths), expected, file)
    _warn_of_heads(stored, list(ours.attention_head_dim), file)


def _contexts(stored: Any, widths: list[int]) -> Any:
    """Contexts of each level with attention, which the first has not; a context of the level's own width is self-attention (None)."""
    levels = stored if isinstance(stored, list) and len(stored) == len(widths) else [stored] * len(widths)
    listed = [level if isinstance(level, list) else [level] for level in levels]
    return [[None if c == width else c for c in level] for level, width in zip(listed, widths, strict=True)][1:]


def _warn_of_heads(stored: dict[str, Any], heads: list[int], file: Path) -> None:
    stated = stored.get("num_attention_heads") or stored.get(HEADS)
    found = DIFFUSERS_HEADS if stated is None else stated
    if (found if isinstance(found, list) else [found] * len(heads))[1:] == heads[1:]:  # the first level has no attention
        return
    _LOG.warning(
        "%s states %s attention heads%s; the authors' network has %s, which are used. Clips of diffusers' own pipeline differ.",
        file.with_name("config.json"),
        "no" if stated is None else stated,
        f", for which diffusers takes {DIFFUSERS_HEADS}" if stated is None else "",
        heads,
    )


def _warn_of_large(unet: RetrievalUNet, file: Path) -> None:
    config = unet.config
    large = config["retrieval"] == "none" and config["channels"][0] == AUDIOLDM_L_CHANNELS
    if large and config["head_width"] != AUDIOLDM_L_HEAD_WIDTH:
        _LOG.warning(
            "A UNet of %d channels without cross-attention is AudioLDM-L's, whose attention heads are %d wide, not %d: for %s give "
            "--head-width %d (model.head_width in a training).",
            AUDIOLDM_L_CHANNELS,
            AUDIOLDM_L_HEAD_WIDTH,
            config["head_width"],
            file,
            AUDIOLDM_L_HEAD_WIDTH,
        )
