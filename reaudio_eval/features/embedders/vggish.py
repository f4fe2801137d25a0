"""VGGish: 128-d embeddings of 0.96 s patches."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.features.embedders import CheckpointFile, Embedder, EmbedderPlugin, EmbedderSpec


class Vggish(EmbedderPlugin):
    """VGGish."""

    spec = EmbedderSpec(
        title="VGGish",
        sample_rates=(16_000,),
        many_frames=True,
        has_logits=False,
        has_text=False,
        vocabulary_name=None,
        min_seconds=0.975,  # 96 frames of 10 ms, the last one 25 ms long
        checkpoints=(
            CheckpointFile(
                filename="vggish-10086976.pth",
                url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
                sha256="10086976",
                n_bytes=288_564_736,
                licence="Apache-2.0",
                sample_rate=16_000,
            ),
        ),
        source="Hershey et al. 2017, arXiv 1609.09430; harritaylor/torchvggish @ f3f9096 without PCA and last ReLU, "
        "as audioldm_eval @ 51b7fdd uses it",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder:
        """VGGish with the weights of ``checkpoint`` (layout of ``vggish-10086976.pth``).

        Each 0.96 s of a clip gives one frame: float32 (n_patches, 128), before the final ReLU, no PCA, no quantisation; an
        incomplete last patch is dropped.

        Raises:
            CheckpointError: missing, damaged, unsafe or another network's file.
            ReaudioError: a rate other than 16 kHz, or a device that is not there.
        """
        from reaudio_eval.features.embedders import _vggish

        return _vggish.load(checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir)


PLUGIN = Vggish()
