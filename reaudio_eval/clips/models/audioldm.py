"""AudioLDM (arXiv 2301.12503): CLAP vector as conditioning; miniature, or published weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reaudio_eval.clips.models._bundled_or_public import BundledOrPublicModel
from reaudio_eval.clips.models._pipeline_model import PipelineModel
from reaudio_eval.clips.models.public.system import Published, Settings

VARIANTS = {
    "": "AudioLDM (arXiv 2301.12503) of the miniature, or trained with this package",
    "s": "AudioLDM-S-full (arXiv 2301.12503), published weights.",
    "m": "AudioLDM-M-full (arXiv 2301.12503), published weights.",
    "l": "AudioLDM-L-full (arXiv 2301.12503), published weights.",
}
_HUB = {"s": ("cvssp/audioldm-s-full-v2", 2), "m": ("cvssp/audioldm-m-full", 3), "l": ("cvssp/audioldm-l-full", 4)}
_FILES = (
    "model_index.json", "*/*.json", "*/*.txt", "unet/diffusion_pytorch_model.*", "vae/diffusion_pytorch_model.*",
    "vocoder/model.safetensors", "vocoder/pytorch_model.bin", "text_encoder/model.safetensors", "text_encoder/pytorch_model.bin",
)  # fmt: skip


class _TrainedHere(PipelineModel):
    """Conditioned on the CLAP vector alone, trained on CLAP audio vectors."""

    def name(self, variant: str) -> str:
        """The registered name."""
        return "audioldm"

    def training(self, variant: str) -> str:
        """The command that trains it."""
        return "reaudio-model train diffusion --config re-audioldm-s-none --set data.told=sound"

    def _without_weights(self, name: str, dataset: str, variant: str) -> str:
        return (
            f"The published AudioLDM is audioldm-s, audioldm-m or audioldm-l: name one of them for {dataset}, or train it "
            f"({self.training(variant)}) and give --weights {name}=FOLDER of the saved pipeline."
        )


class AudioLdm(BundledOrPublicModel):
    """The variant names the size of the published weights; without one it is the model of this package."""

    here = _TrainedHere()
    module = "audioldm"
    options = BundledOrPublicModel.options | {"scheduler", "eta", "candidates"}

    def is_here(self, dataset: str, weights: Path | None, variant: str) -> bool:
        """Whether no published size is named."""
        return not variant

    def training_data(self, variant: str) -> tuple[str, ...] | str:
        """AudioSet, AudioCaps, Freesound and BBC Sound Effects; of the model of this package the dataset's."""
        return ("audioset",) if variant else "dataset"

    def published_weights(self, variant: str) -> Mapping[str, Any] | None:
        """Facts about the weights of a size."""
        return super().published_weights(variant) if variant else None

    def name(self, variant: str) -> str:
        """The registered name."""
        return f"audioldm-{variant}" if variant else "audioldm"

    def published(self, variant: str) -> Published:
        """Facts about its weights."""
        hub_id, gigabytes = _HUB[variant]
        return Published(
            hub_id=hub_id,
            files=_FILES,
            gigabytes=gigabytes,
            licence="CC BY-NC-SA 4.0",
            training_data="AudioSet, AudioCaps, Freesound and BBC Sound Effects",
            source="Liu et al. 2023, arXiv 2301.12503; haoheliu/AudioLDM",
            layout=f"the authors' audioldm-{variant}-full.ckpt, or a diffusers folder such as {hub_id}",
        )

    def own(self, variant: str) -> Settings:
        """Of the authors' command, which also keeps the best of 3 candidates."""
        return Settings(guidance=2.5, seconds=10.24, steps=200, scheduler="ddim", eta=1.0)


PLUGIN = AudioLdm()
