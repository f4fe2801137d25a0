"""LAION-CLAP of the package laion-clap."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from reaudio_eval.features.embedders import EmbedderPlugin, TextEmbedder
from reaudio_eval.features.embedders.clap import PLUGIN as CLAP
from reaudio_model.common.packages import Package


class LaionClap(EmbedderPlugin):
    """LAION-CLAP (laion-clap)."""

    spec = dataclasses.replace(
        CLAP.spec,
        title="LAION-CLAP (laion-clap)",
        source="Wu et al. 2023, arXiv 2211.06687; network of laion-clap 1.1.7",
        folder=False,
        package=Package("laion_clap", "reference"),
        same_as="clap",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> TextEmbedder:
        """``laion_clap.CLAP_Module`` with the weights of LAION's ``.pt`` (HTSAT-tiny or HTSAT-base, without fusion), for numbers that must
        be those of the package.

        Features as those of the embedder ``clap``: of the first 10 s, where the package takes 10 s at random; audio is not rounded to 16
        bits, which is for the protocol to say. The package is imported without its downloads, and the checkpoint is read without running
        code in it. The tokenizer is looked for as for ``clap``.

        Raises:
            CheckpointError: missing, damaged, unsafe, another network's file, a fusion model, no usable tokenizer, or a text
                encoder that gives two unrelated sentences the same embedding.
            ReaudioError: the package is not installed or cannot be imported; a rate other than 48 kHz, or a device that is not
                there.
        """
        from reaudio_eval.features.embedders import _laion_clap

        return _laion_clap.load(checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir)


PLUGIN = LaionClap()
