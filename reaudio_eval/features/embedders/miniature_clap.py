"""The miniature's CLAP, which also retrieves and conditions."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.features.embedders import EmbedderPlugin, EmbedderSpec, TextEmbedder


class MiniatureClap(EmbedderPlugin):
    """The bundled CLAP."""

    spec = EmbedderSpec(
        title="miniature CLAP",
        sample_rates=(16_000,),
        many_frames=False,
        has_logits=False,
        has_text=True,
        vocabulary_name=None,
        min_seconds=0.0,
        checkpoints=(),
        source="trained on the balanced miniature world (recipe miniature-clap.yaml); architecture of Wu et al. 2023, arXiv 2211.06687",
        folder=True,
        bundled="clap",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> TextEmbedder:
        """The CLAP in a folder of transformers' ``ClapModel``, with a front end of its own.

        Raises:
            CheckpointError: see :func:`reaudio_model.encoders.clap.load_clap`.
            ReaudioError: a CLAP of another rate than ``sample_rate``.
        """
        from reaudio_eval.features.embedders import _clap

        return _clap.load(checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir)


PLUGIN = MiniatureClap()
