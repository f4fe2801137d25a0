"""Loading AudioMAE and T5 from published files.

AudioMAE is read in the authors', timm's and transformers' layouts, T5 by name or folder.

CLAP's two layouts are read by :func:`reaudio_model.encoders.clap.load_clap`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import build
from reaudio_model.common.weights import check_loaded, load_state_dict, variant_of, weights_file
from reaudio_model.config import ConditionConfig
from reaudio_model.encoders.audio_mae import build_audio_mae

if TYPE_CHECKING:
    from transformers import T5EncoderModel, T5ForConditionalGeneration, ViTModel

T5_TOKENIZERS = ("t5_tokenizer", "tokenizer_2")  # folders beside that of T5
# The decoder of pre-training, and a classifier that timm files may contain.
_DROPPED = re.compile(r"decoder_|mask_token$|head\.")
_RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^cls_token$", "embeddings.cls_token"),
        (r"^pos_embed$", "embeddings.position_embeddings"),
        (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
        (r"^blocks\.", "layers."),
        (r"\.attn\.proj\.", ".attention.o_proj."),
        (r"\.attn\.", ".attention."),
        (r"\.norm1\.", ".layernorm_before."),
        (r"\.norm2\.", ".layernorm_after."),
        (r"^norm\.", "layernorm."),
        # ViTModel.save_pretrained writes the names of transformers 4
        (r"^encoder\.layer\.", "layers."),
        (r"\.attention\.attention\.(q|k|v)(uery|ey|alue)\.", r".attention.\1_proj."),
        (r"\.attention\.output\.dense\.", ".attention.o_proj."),
        (r"\.intermediate\.dense\.", ".mlp.fc1."),
        (r"(\d)\.output\.dense\.", r"\1.mlp.fc2."),
    )
)


def rename_audio_mae(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """AudioMAE's own keys, which timm shares, or those of a saved ``ViTModel`` -> ``ViTModel`` keys, which are not changed.

    The fused query-key-value matrices are split in three. Position embeddings are those of the file: the authors declare
    their patch grid as 8 x 64 and flatten it as 64 x 8, so a computed table would differ.
    """
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        if _DROPPED.match(key):
            continue
        for pattern, replacement in _RENAMES:
            key = pattern.sub(replacement, key)
        if ".qkv." in key:
            for name, part in zip("qkv", value.chunk(3), strict=True):
                renamed[key.replace(".qkv.", f".{name}_proj.")] = part
        else:
            renamed[key] = value
    return renamed


def load_audio_mae(path: Path, config: ConditionConfig, *, device: torch.device, cache_dir: Path | None = None) -> ViTModel:
    """The AudioMAE encoder from the authors' ``.pth``, from timm's layout (file or folder), or from a ``ViTModel`` folder.

    Raises:
        CheckpointError: missing, damaged, unsafe, of other sizes than ``config``, or fine-tuned (its last norm differs;
            the model is conditioned on the pre-trained encoder).
    """
    state = load_state_dict(weights_file(path, part="audio_mae"), wrapper="model", cache_dir=cache_dir)
    if "fc_norm.weight" in state:
        raise CheckpointError(f"{path} is an AudioMAE fine-tuned for classification: use the pre-trained one.")
    what = f"a pre-trained AudioMAE encoder of {config.mae_layers} layers and width {config.mae_dim}"
    return build(lambda: build_audio_mae(config), rename_audio_mae(state), path=path, what=what, device=device)


def load_t5(name: str, *, device: torch.device, allow_download: bool = False) -> tuple[T5EncoderModel, Any]:
    """A T5 encoder and its tokenizer, from a folder or from the Hugging Face cache (or hub, with ``allow_download``).

    The tokenizer lies in the folder, or beside it in ``t5_tokenizer/``, as in a saved pipeline of this package, or in ``tokenizer_2/``,
    as in diffusers' folder of AudioLDM2.

    Raises:
        CheckpointError: missing, damaged, with weights missing or not finite, or not a T5.
    """
    from transformers import T5EncoderModel

    encoder, tokenizer = _read_t5(name, T5EncoderModel, "a T5 encoder", allow_download)
    return encoder.eval().requires_grad_(False).to(device), tokenizer


def load_whole_t5(name: str) -> tuple[T5ForConditionalGeneration, Any]:
    """A T5 with its decoder and its tokenizer, on the CPU, for training; places and errors as for :func:`load_t5`."""
    from transformers import T5ForConditionalGeneration

    network: tuple[T5ForConditionalGeneration, Any] = _read_t5(
        name, T5ForConditionalGeneration, "a T5 with its decoder", allow_download=False
    )
    return network


def _read_t5(name: str, network_class: Any, what: str, allow_download: bool) -> tuple[Any, Any]:
    """Network, float32, and tokenizer."""
    from transformers import AutoTokenizer

    folder = Path(name)
    beside = next((place for name in T5_TOKENIZERS if (place := folder.parent / name).is_dir()), None)
    is_apart = folder.is_dir() and beside is not None and not (folder / "tokenizer_config.json").is_file()
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            str(beside) if is_apart else name, local_files_only=not allow_download
        )
        network, info = network_class.from_pretrained(
            name,
            local_files_only=not allow_download,
            dtype=torch.float32,
            variant=variant_of(folder),
            output_loading_info=True,
        )
    except Exception as error:  # a damaged file can raise any exception
        raise CheckpointError(
            f"{what.replace('a ', 'The ', 1)} {name} is not on this machine or is damaged: give its folder as parts.t5."
        ) from error
    check_loaded(network, info, name, what)
    if tokenizer.pad_token is None:
        raise CheckpointError(
            f"The tokenizer of {name} has no padding token: tokenizer_config.json of T5 is missing or damaged."
        )
    if len(tokenizer) > network.config.vocab_size:
        raise CheckpointError(
            f"The tokenizer in {name} has {len(tokenizer)} tokens, its T5 reads {network.config.vocab_size}: they do not match."
        )
    return network, tokenizer
