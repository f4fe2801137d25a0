"""AudioGen (arXiv 2209.15352): a language model over audio codes; published weights."""

from __future__ import annotations

from reaudio_eval.clips.models._public_model import PublicModel
from reaudio_eval.clips.models.public.system import Also, Published, Settings

VARIANTS = {"medium": "AudioGen-medium (arXiv 2209.15352, the later public version of 1.5 B), published weights."}
T5_NAME = "google-t5/t5-large"
_T5_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "spiece.model", "model.safetensors")


class AudioGen(PublicModel):
    """Its published version is not the paper's model."""

    module = "audiogen"
    options = frozenset({"guidance", "dtype", "seeds", "peak"})
    trained_on = ("audioset",)

    def name(self, variant: str) -> str:
        """The registered name."""
        return f"audiogen-{variant}"

    def published(self, variant: str) -> Published:
        """Facts about its weights."""
        return Published(
            hub_id="facebook/audiogen-medium",
            files=("state_dict.bin", "compression_state_dict.bin"),
            gigabytes=3.9,
            licence="CC BY-NC 4.0",
            training_data="AudioSet, AudioCaps, BBC Sound Effects, Clotho, VGGSound, FSD50K and others",
            source="Kreuk et al. 2023, arXiv 2209.15352; audiocraft 1.3.0",
            layout="a folder with state_dict.bin and compression_state_dict.bin, and T5-large in t5/ or in the hub's cache",
            also=(Also(T5_NAME, _T5_FILES, "t5"),),
        )

    def own(self, variant: str) -> Settings:
        """audiocraft's, with 10 seconds instead of its default of 5."""
        return Settings(guidance=3.0, seconds=10.0)


PLUGIN = AudioGen()
