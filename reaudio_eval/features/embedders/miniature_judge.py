"""The miniature's second tagger, independent of all other networks."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.features.embedders import Embedder, EmbedderPlugin, EmbedderSpec


class MiniatureJudge(EmbedderPlugin):
    """The bundled second tagger."""

    spec = EmbedderSpec(
        title="miniature judge",
        sample_rates=(16_000,),
        many_frames=False,
        has_logits=True,
        has_text=False,
        vocabulary_name="miniature-classes",
        min_seconds=0.32,
        checkpoints=(),
        source="trained on other clips of the balanced world (recipe miniature-judge.yaml); after Cakir et al. 2017, arXiv 1702.06286",
        folder=True,
        bundled="judge",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder:
        """The tagger in a folder of :func:`reaudio_model.encoders.tagger_files.save_tagger`.

        Raises:
            CheckpointError: missing, damaged, or of other classes.
        """
        from reaudio_eval.features.embedders._miniature import TaggerEmbedder

        return TaggerEmbedder(checkpoint, self.spec, sample_rate=sample_rate, device=device)


PLUGIN = MiniatureJudge()
