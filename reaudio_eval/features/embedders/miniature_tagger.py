"""The miniature's tagger: a small network in the style of PANNs."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.features.embedders import Embedder, EmbedderPlugin, EmbedderSpec


class MiniatureTagger(EmbedderPlugin):
    """The bundled tagger."""

    spec = EmbedderSpec(
        title="miniature tagger",
        sample_rates=(16_000,),
        many_frames=False,
        has_logits=True,
        has_text=False,
        vocabulary_name="miniature-classes",
        min_seconds=0.32,
        checkpoints=(),
        source="trained on the balanced miniature world (recipe miniature-tagger.yaml); after Kong et al. 2020, arXiv 1912.10211",
        folder=True,
        bundled="tagger",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder:
        """The tagger in a folder of :func:`reaudio_model.encoders.tagger_files.save_tagger`.

        Raises:
            CheckpointError: missing, damaged, or of other classes.
        """
        from reaudio_eval.features.embedders._miniature import TaggerEmbedder

        return TaggerEmbedder(checkpoint, self.spec, sample_rate=sample_rate, device=device)


PLUGIN = MiniatureTagger()
