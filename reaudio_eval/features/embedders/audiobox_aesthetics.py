"""Audiobox Aesthetics: four quality scores of a clip, without reference."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.features.embedders import CheckpointFile, Embedder, EmbedderPlugin, EmbedderSpec

_HOME = "https://huggingface.co/facebook/audiobox-aesthetics/resolve/9b1dd8e5df9af7216e836a98974fe3b82c56ded6"


class AudioboxAesthetics(EmbedderPlugin):
    """Audiobox Aesthetics."""

    spec = EmbedderSpec(
        title="Audiobox Aesthetics",
        sample_rates=(16_000,),
        many_frames=False,
        has_logits=False,
        has_text=False,
        vocabulary_name=None,
        min_seconds=0.0,  # a clip is padded to 10 s, and the network knows where it ends
        checkpoints=(
            CheckpointFile(
                filename="checkpoint.pt",
                url=f"{_HOME}/checkpoint.pt",
                sha256="a4931a7a01c3e6733352e9d85371835f03bf9135f8b31e1583c23538811d4a32",
                n_bytes=415_520_834,
                licence="CC BY 4.0",
                sample_rate=16_000,
            ),
            CheckpointFile(
                filename="model.safetensors",
                url=f"{_HOME}/model.safetensors",
                sha256="a5a3c2412649cc2384ec525ffd5180ce6c4778f43bed6108e0a1303de04d014e",
                n_bytes=415_472_992,
                licence="CC BY 4.0",
                sample_rate=16_000,
            ),
        ),
        source="Tjandra et al. 2025, arXiv 2502.05139; audiobox_aesthetics 0.0.4",
        scores=("CE", "CU", "PC", "PQ"),
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder:
        """WavLM-base with a head for each axis.

        One frame a clip: float32 (1, 4), content enjoyment, content usefulness, production complexity and production quality, on the
        scale of listeners from 1 to 10, which a prediction may leave by a little. A clip is cut into windows of 10 s, the last padded,
        and its score is their mean weighted by length. Scale and offset of the scores come from ``checkpoint.pt``; for
        ``model.safetensors`` from the ``config.json`` beside it, or where there is none they are the published ones.

        Raises:
            CheckpointError: missing, damaged, unsafe, or another network's file.
            ReaudioError: a rate other than 16 kHz, or a device that is not there.
        """
        from reaudio_eval.features.embedders import _audiobox

        return _audiobox.load(checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir)


PLUGIN = AudioboxAesthetics()
