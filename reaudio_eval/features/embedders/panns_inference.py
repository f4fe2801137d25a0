"""PANNs Cnn14 of the package panns-inference."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from reaudio_eval.features.embedders import Embedder, EmbedderPlugin
from reaudio_eval.features.embedders.panns import PLUGIN as PANNS
from reaudio_model.common.packages import Package


class PannsInference(EmbedderPlugin):
    """PANNs Cnn14 (panns-inference)."""

    spec = dataclasses.replace(
        PANNS.spec,
        title="PANNs Cnn14 (panns-inference)",
        sample_rates=(32_000, 16_000),
        source=f"{PANNS.spec.source}; network of panns-inference 0.1.1",
        package=Package("panns_inference", "reference"),
        same_as="panns",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder:
        """``panns_inference.models.Cnn14`` with the weights of ``checkpoint``, for numbers that must be those of the package.

        Features as those of the embedder ``panns``; the logits are the input of the package's sigmoid. The package is imported without
        its downloads, and the checkpoint is read without running code in it and never written to.

        Raises:
            CheckpointError: missing, damaged, unsafe, another network's file, or the file of the other sample rate.
            ReaudioError: the package is not installed or cannot be imported; a rate other than 16 or 32 kHz, or a device that is
                not there.
        """
        from reaudio_eval.features.embedders import _panns_inference

        return _panns_inference.load(checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir)


PLUGIN = PannsInference()
