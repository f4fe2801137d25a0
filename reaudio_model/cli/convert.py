"""Converting published checkpoints to diffusers' and transformers' layouts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.files import StrPath, as_path, atomic_folder
from reaudio_model.common.weights import sha256_file
from reaudio_model.config import ModelConfig

if TYPE_CHECKING:
    from torch import nn

Kind = Literal["audiomae", "clap", "vae", "vocoder", "unet"]


def convert(
    source: StrPath, target: StrPath, kind: Kind, config: ModelConfig, *, ema: bool = False, cache_dir: Path | None = None
) -> dict[str, Any]:
    """Read a part in any layout its loader supports and write it with ``save_pretrained``.

    Args:
        source: file or folder; for the layouts see ``codec_checkpoints``, ``unet_checkpoints``, ``encoder_checkpoints`` and
            ``clap.load_clap``.
        target: new folder.
        kind: the part.
        config: its sizes. A UNet of AudioLDM has retrieval "none", one of AudioLDM2 "audio+text".
        ema: use the averaged weights, of a UNet in the authors' layout.
        cache_dir: for converted pickles and tokenizers.

    Returns:
        JSON-able: kind, source, target, parameters (their number) and files (name -> SHA-256).

    Raises:
        ReaudioError: the target exists or cannot be written, or ``ema`` for another kind than "unet".
        CheckpointError: the source is not a checkpoint of this kind.
    """
    source, target = as_path(source), as_path(target)
    one_of("kind", kind, get_args(Kind))
    if ema and kind != "unet":
        raise ReaudioError(f"--ema is for a UNet; there are no averaged weights of a {kind}.")
    if target.exists():
        raise ReaudioError(f"{target} exists: choose another folder, or remove it.")
    parts = _load(source, kind, config, ema, cache_dir)
    _save(parts, target)
    return {
        "kind": kind,
        "source": str(source),
        "target": str(target),
        "parameters": sum(p.numel() for p in parts[0].parameters()),
        "files": {path.name: sha256_file(path) for path in sorted(target.iterdir())},
    }


def _load(source: Path, kind: Kind, config: ModelConfig, ema: bool, cache_dir: Path | None) -> list[Any]:
    """The network, and its tokenizer if it has one."""
    import torch

    cpu = torch.device("cpu")
    if kind == "clap":
        from reaudio_model.encoders.clap import load_clap

        clap = load_clap(source, device=cpu, cache_dir=cache_dir)
        return [clap.network, clap.tokenizer]
    if kind == "audiomae":
        from reaudio_model.encoders.encoder_checkpoints import load_audio_mae

        return [load_audio_mae(source, config.condition, device=cpu, cache_dir=cache_dir)]
    if kind == "unet":
        return [_load_unet(source, config, ema)]
    from reaudio_model.codec.codec_checkpoints import load_vae, load_vocoder

    return [(load_vae if kind == "vae" else load_vocoder)(source, config.codec)]


def _load_unet(source: Path, config: ModelConfig, ema: bool) -> nn.Module:
    from reaudio_model.denoiser.unet import build_unet
    from reaudio_model.denoiser.unet_checkpoints import load_unet

    unet = build_unet(config)
    load_unet(unet, source, ema=ema)
    return unet


def _save(parts: list[Any], target: Path) -> None:
    """Write all files, then rename the folder."""
    with atomic_folder(target) as temporary:
        for part in parts:
            part.save_pretrained(temporary)
