"""EfficientAT: a small AudioSet tagger, 527 logits."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.features.embedders import CheckpointFile, Embedder, EmbedderPlugin, EmbedderSpec

_RELEASE = "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1"


class EfficientAt(EmbedderPlugin):
    """EfficientAT."""

    spec = EmbedderSpec(
        title="EfficientAT",
        sample_rates=(32_000,),
        many_frames=False,
        has_logits=True,
        has_text=False,
        vocabulary_name="audioset-527",
        min_seconds=0.32,  # five halvings need 32 frames of 10 ms
        checkpoints=(
            CheckpointFile(
                filename="mn04_as_mAP_432.pt",
                url=f"{_RELEASE}/mn04_as_mAP_432.pt",
                sha256="899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c",
                n_bytes=4_066_513,
                licence="MIT",
                sample_rate=32_000,
            ),
            CheckpointFile(
                filename="mn10_as_mAP_471.pt",
                url=f"{_RELEASE}/mn10_as_mAP_471.pt",
                sha256="",
                n_bytes=0,
                licence="MIT",
                sample_rate=32_000,
            ),
        ),
        source="Schmid et al. 2023, arXiv 2211.04772; fschmid56/EfficientAT @ 138342a, models/mn",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder:
        """The MobileNetV3 tagger in ``checkpoint``; its width (mn04, mn10, ...) is read from the file.

        One frame a clip: float32 (1, d), the pooled last feature map, d = 384 for mn04 and 960 for mn10; logits float32 (527,)
        before the sigmoid. With mn04 the best of ten classes is right for 96.0 % of ESC-10 (384 of 400 clips).

        Raises:
            CheckpointError: missing, damaged, unsafe, another network's file, or wrong numbers in the self-test.
            ReaudioError: a rate other than 32 kHz, or a device that is not there.
        """
        from reaudio_eval.features.embedders import _efficientat

        return _efficientat.load(checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir)


PLUGIN = EfficientAt()
