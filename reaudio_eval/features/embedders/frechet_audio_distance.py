"""VGGish of the package frechet-audio-distance."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from reaudio_eval.features.embedders import Embedder, EmbedderPlugin
from reaudio_eval.features.embedders.vggish import PLUGIN as VGGISH
from reaudio_model.common.packages import Package


class FrechetAudioDistance(EmbedderPlugin):
    """VGGish (frechet-audio-distance)."""

    spec = dataclasses.replace(
        VGGISH.spec,
        title="VGGish (frechet-audio-distance)",
        source="Hershey et al. 2017, arXiv 1609.09430; FrechetAudioDistance of frechet-audio-distance 0.3.4 without PCA and last "
        "ReLU, with the network of torchvggish 0.2",
        package=Package("frechet_audio_distance", "reference"),
        same_as="vggish",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder:
        """``FrechetAudioDistance("vggish")`` with the weights of ``checkpoint``, for numbers that must be those of the package.

        Frames as those of the embedder ``vggish``. The package fetches the source of its network from GitHub with torch.hub; here it is
        the released form of that source, torchvggish 0.2, and the checkpoint is read without running code in it.

        Raises:
            CheckpointError: missing, damaged, unsafe or another network's file.
            ReaudioError: a package is not installed or cannot be imported; a rate other than 16 kHz, or a device that is not there.
        """
        from reaudio_eval.features.embedders import _frechet_audio_distance

        return _frechet_audio_distance.load(
            checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir
        )


PLUGIN = FrechetAudioDistance()
