"""PANNs Cnn14: 2048-d embeddings and 527 AudioSet logits."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.features.embedders import CheckpointFile, Embedder, EmbedderPlugin, EmbedderSpec


class Panns(EmbedderPlugin):
    """PANNs Cnn14."""

    spec = EmbedderSpec(
        title="PANNs Cnn14",
        sample_rates=(16_000, 32_000),
        many_frames=False,
        has_logits=True,
        has_text=False,
        vocabulary_name="audioset-527",
        min_seconds=0.32,  # five halvings need 32 frames of 10 ms
        checkpoints=(
            CheckpointFile(
                filename="Cnn14_16k_mAP=0.438.pth",
                url="https://zenodo.org/records/3987831/files/Cnn14_16k_mAP%3D0.438.pth?download=1",
                sha256="e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6",
                n_bytes=324_198_000,
                licence="CC BY 4.0",
                sample_rate=16_000,
            ),
            CheckpointFile(
                filename="Cnn14_mAP=0.431.pth",
                url="https://zenodo.org/records/3987831/files/Cnn14_mAP%3D0.431.pth?download=1",
                sha256="0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
                n_bytes=327_428_481,
                licence="CC BY 4.0",
                sample_rate=32_000,
            ),
        ),
        source='Kong et al. 2020, arXiv 1912.10211; "2048" features and raw logits as audioldm_eval @ 51b7fdd',
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder:
        """Cnn14 with the weights of ``checkpoint`` (the published 16 kHz and 32 kHz layouts).

        One frame a clip: float32 (1, 2048), ReLU(fc1); logits float32 (527,), before the sigmoid.

        Raises:
            CheckpointError: missing, damaged, unsafe, another network's file, or the file of the other sample rate.
            ReaudioError: a rate other than 16 or 32 kHz, or a device that is not there.
        """
        from reaudio_eval.features.embedders import _panns

        return _panns.load(checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir)


PLUGIN = Panns()
