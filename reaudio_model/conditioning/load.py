"""Loading the encoders of a conditioner from files."""

from __future__ import annotations

from pathlib import Path

import torch

from reaudio_model.common.errors import CheckpointError
from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.config import ConditionConfig, Retrieval, retrieves
from reaudio_model.encoders.clap import load_clap
from reaudio_model.encoders.encoder_checkpoints import load_audio_mae, load_t5


def load_conditioner(
    config: ConditionConfig,
    retrieval: Retrieval,
    *,
    clap: Path,
    audio_mae: Path | None = None,
    t5: str | None = None,
    device: torch.device,
    cache_dir: Path | None = None,
    allow_download: bool = False,
) -> Conditioner:
    """The encoders that a kind of retrieval needs.

    Args:
        config: sizes.
        retrieval: which parts of retrieved pairs condition the model.
        clap: LAION's ``.pt`` or a folder of ``ClapModel``.
        audio_mae: needed by "audio" and "audio+text".
        t5: folder or hub id; ``config.t5_name`` when None.
        device: of the encoders.
        cache_dir: for converted pickles and tokenizers.
        allow_download: whether T5 may be downloaded.

    Raises:
        CheckpointError: see the loaders; or ``audio_mae`` is needed and None.
    """
    if retrieves(retrieval) and audio_mae is None:
        raise CheckpointError(
            f"retrieval={retrieval} needs the AudioMAE checkpoint: give its file or folder as parts.audio_mae."
        )
    text = load_clap(clap, device=device, cache_dir=cache_dir)
    if retrieval == "prompt":
        reader, its_tokenizer = load_t5(t5 or config.t5_name, device=device, allow_download=allow_download)
        return Conditioner(config, text, None, reader, its_tokenizer)
    if retrieval == "none" or audio_mae is None:
        return Conditioner(config, text)
    tokens = load_audio_mae(audio_mae, config, device=device, cache_dir=cache_dir)
    if retrieval == "audio":
        return Conditioner(config, text, tokens)
    encoder, tokenizer = load_t5(t5 or config.t5_name, device=device, allow_download=allow_download)
    return Conditioner(config, text, tokens, encoder, tokenizer)
