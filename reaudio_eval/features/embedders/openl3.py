"""OpenL3: 512-d embeddings of 1 s windows."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.features.embedders import CheckpointFile, Embedder, EmbedderPlugin, EmbedderSpec

_HOME = "https://github.com/torchopenl3/torchopenl3-models/raw/master"


class OpenL3(EmbedderPlugin):
    """OpenL3 with 256 mel bands."""

    spec = EmbedderSpec(
        title="OpenL3",
        sample_rates=(48_000,),
        many_frames=True,
        has_logits=False,
        has_text=False,
        vocabulary_name=None,
        min_seconds=0.0,  # a short clip is padded to one window
        checkpoints=tuple(
            CheckpointFile(
                filename=f"torchopenl3_mel256_{content}_512.pth.tar",
                url=f"{_HOME}/torchopenl3_mel256_{content}_512.pth.tar",
                sha256="",
                n_bytes=0,
                licence="CC BY 4.0",
                sample_rate=48_000,
            )
            for content in ("env", "music")
        ),
        source="Cramer et al. 2019, ICASSP; torchopenl3 1.0.1, mel256, 512 dimensions; windows of stable-audio-metrics @ fd55536",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder:
        """The audio network of OpenL3, trained on environmental sounds (``env``) or on music, with the weights of ``checkpoint``.

        A frame for each window of 1 s, every 0.5 s: float32 (n_frames, 512). The first window is centred on the first sample and the
        clip is padded with zeros to whole windows: 10 s give 20 frames.

        Raises:
            CheckpointError: missing, damaged, unsafe, or another network's file (also OpenL3 with another input).
            ReaudioError: a rate other than 48 kHz, or a device that is not there.
        """
        from reaudio_eval.features.embedders import _openl3

        return _openl3.load(checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir)


PLUGIN = OpenL3()
