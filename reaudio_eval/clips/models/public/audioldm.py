"""AudioLDM from the authors' ``.ckpt`` or a diffusers folder.

Liu et al. 2023, arXiv 2301.12503. The networks agree with those of haoheliu/AudioLDM on random weights (``benchmarks/parity.py``). Sampling
is the authors' (``ddim.py``, ``pipeline.py``): DDIM, 200 steps, eta 1, guidance 2.5, the null prompt is the empty text; its clips are
10.24 s. Their command keeps the best of 3 candidates by CLAP, as do the published numbers: ``--candidates 3``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from reaudio_eval.clips.models.public.latent import LatentDiffusion, placed
from reaudio_eval.clips.models.public.system import Opener
from reaudio_model.codec.codec import Codec
from reaudio_model.codec.codec_checkpoints import load_vae, load_vocoder
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import open_device
from reaudio_model.config import DType, ModelConfig, get_preset
from reaudio_model.denoiser.unet import RetrievalUNet, build_unet
from reaudio_model.denoiser.unet_checkpoints import load_unet
from reaudio_model.denoiser.unet_settings import AUDIOLDM_L_CHANNELS, AUDIOLDM_L_HEAD_WIDTH
from reaudio_model.encoders.clap import Clap, load_clap, text_length
from reaudio_model.encoders.text_clap import TextClap, load_text_clap
from reaudio_model.retrieval.records import Conditioning, Neighbour

TEXT_TOKENS = 512  # that the authors' conditioner reads (clap/encoders.py); LAION's CLAP has 77
_SMALL = get_preset("re-audioldm-s", retrieval="none")
# "num_head_channels" of the authors' configurations is 32, and 64 for L (audioldm/utils.py, default_audioldm_config).
SIZES: dict[str, ModelConfig] = {
    "s": replace(_SMALL, name="audioldm-s"),
    "m": replace(_SMALL, name="audioldm-m", base_channels=192),
    "l": replace(_SMALL, name="audioldm-l", base_channels=AUDIOLDM_L_CHANNELS, head_width=AUDIOLDM_L_HEAD_WIDTH),
}
FOLDERS = ("unet", "vae", "vocoder", "text_encoder")


class AudioLdm(LatentDiffusion):
    """The denoiser is conditioned on the CLAP text embedding alone."""

    def __init__(self, unet: RetrievalUNet, codec: Codec, clap: Clap) -> None:
        super().__init__(unet, unet, codec, len(unet.config["channels"]))
        self._clap = clap

    def condition(
        self, prompts: Sequence[str], retrieved: Sequence[Sequence[Neighbour]] | None
    ) -> tuple[Conditioning, Conditioning]:
        null = self._clap.embed_text([""]).repeat(len(prompts), 1)
        return Conditioning(self._clap.embed_text(prompts)), Conditioning(null)

    def reranker(self) -> Clap | None:
        return None if isinstance(self._clap, TextClap) else self._clap

    def networks(self) -> Mapping[str, nn.Module]:
        return {**super().networks(), "clap": self._clap.network}

    def vocabularies(self) -> Mapping[str, Mapping[str, int]]:
        return {"clap_tokenizer": self._clap.tokenizer.get_vocab()}


class AudioLdmOpener(Opener):
    """Opens AudioLDM."""

    def check(self, weights: Path) -> None:
        absent = [name for name in FOLDERS if not (weights / name).is_dir()] if weights.is_dir() else []
        if absent:
            raise CheckpointError(f"{weights} is no diffusers folder of AudioLDM: it has no {', '.join(absent)}.")

    def open(self, weights: Path, variant: str, *, device: str, dtype: DType, cache_dir: Path | None) -> AudioLdm:
        self.check(weights)
        sizes, where = SIZES[variant], open_device(device)
        unet = build_unet(sizes)
        load_unet(unet, weights, ema=None)
        codec = Codec(
            load_vae(weights, sizes.codec).to(where), load_vocoder(weights, sizes.codec).to(where), sizes.codec.mel
        )
        # no conversion is kept: the file contains the other networks too
        clap = load_text_clap(weights, device=where) if weights.is_dir() else load_clap(weights, device=where)
        if clap.dim != sizes.condition.clap_dim:
            raise CheckpointError(
                f"The CLAP in {weights} gives vectors of {clap.dim}, AudioLDM reads {sizes.condition.clap_dim}."
            )
        texts: Any = clap.network.config
        clap.max_tokens = text_length(getattr(texts, "text_config", texts), TEXT_TOKENS)
        return AudioLdm(placed(unet, where, dtype), codec, clap)


OPENER = AudioLdmOpener()
