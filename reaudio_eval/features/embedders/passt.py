"""PaSST: transformer AudioSet tagger, 768-d embeddings and 527 logits."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.features.embedders import CheckpointFile, Embedder, EmbedderPlugin, EmbedderSpec

_RELEASES = "https://github.com/kkoutini/PaSST/releases/download"


class Passt(EmbedderPlugin):
    """PaSST-S."""

    spec = EmbedderSpec(
        title="PaSST",
        sample_rates=(32_000,),
        many_frames=False,
        has_logits=True,
        has_text=False,
        vocabulary_name="audioset-527",
        min_seconds=0.16,  # a patch spans 16 frames of 10 ms
        checkpoints=(
            CheckpointFile(
                filename="passt-s-f128-p16-s10-ap.476-swa.pt",
                url=f"{_RELEASES}/v0.0.1-audioset/passt-s-f128-p16-s10-ap.476-swa.pt",
                sha256="302903fa8c4aee817b11dc982da0b29aaf8d11a3e722420476d0a12c9db70c2c",
                n_bytes=344_665_734,
                licence="Apache-2.0",
                sample_rate=32_000,
            ),
            CheckpointFile(
                filename="passt-s-kd-ap.486.pt",
                url=f"{_RELEASES}/v.0.0.9/passt-s-kd-ap.486.pt",
                sha256="",
                n_bytes=0,
                licence="Apache-2.0",
                sample_rate=32_000,
            ),
        ),
        source="Koutini et al. 2022, arXiv 2110.05069; hear21passt 0.0.26, get_basic_model(mode='all')",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder:
        """PaSST-S with patches of 16 x 16 at stride 10 and inputs of at most 10 s.

        One frame a clip: float32 (1, 768), the mean of the class and the distillation token; logits float32 (527,) before softmax or
        sigmoid. A clip of at most 10 s is one input of its own length. A longer one is cut into windows of 10 s every 5 s, the last
        padded with zeros, and embedding and logits are the means over windows, as in stable-audio-metrics. Protocols cut and pad clips
        where their sources do.

        Raises:
            CheckpointError: missing, damaged, unsafe, or another network's file (also PaSST for 20 or 30 s).
            ReaudioError: a rate other than 32 kHz, or a device that is not there.
        """
        from reaudio_eval.features.embedders import _passt

        return _passt.load(checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir)


PLUGIN = Passt()
