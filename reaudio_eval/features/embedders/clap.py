"""LAION-CLAP: audio and text embeddings in one space."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.features.embedders import CheckpointFile, EmbedderPlugin, EmbedderSpec, TextEmbedder

_HOME = "https://huggingface.co/lukewys/laion_clap/resolve/main"


class Clap(EmbedderPlugin):
    """LAION-CLAP."""

    spec = EmbedderSpec(
        title="LAION-CLAP",
        sample_rates=(48_000,),
        many_frames=False,
        has_logits=False,
        has_text=True,
        vocabulary_name=None,
        min_seconds=0.0,  # a shorter clip is repeated to 10 s, as the network was trained
        checkpoints=(
            CheckpointFile(
                filename="music_speech_audioset_epoch_15_esc_89.98.pt",
                url=f"{_HOME}/music_speech_audioset_epoch_15_esc_89.98.pt",
                sha256="51c68f12f9d7ea25fdaaccf741ec7f81e93ee594455410f3bca4f47f88d8e006",
                n_bytes=2_352_471_003,
                licence="CC0",
                sample_rate=48_000,
            ),
            CheckpointFile(
                filename="music_audioset_epoch_15_esc_90.14.pt",
                url=f"{_HOME}/music_audioset_epoch_15_esc_90.14.pt",
                sha256="fae3e9c087f2909c28a09dc31c8dfcdacbc42ba44c70e972b58c1bd1caf6dedd",
                n_bytes=2_350_000_000,
                licence="CC0",
                sample_rate=48_000,
            ),
            CheckpointFile(
                filename="630k-audioset-best.pt",
                url=f"{_HOME}/630k-audioset-best.pt",
                sha256="",
                n_bytes=1_860_000_000,
                licence="CC0",
                sample_rate=48_000,
            ),
        ),
        source="Wu et al. 2023, arXiv 2211.06687; LAION-AI/CLAP @ 1fd4c37 through transformers' ClapModel",
        folder=True,
        tokenizer="FacebookAI/roberta-base",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> TextEmbedder:
        """CLAP from a folder of transformers' ``ClapModel``, or from LAION's ``.pt`` (HTSAT encoders without fusion).

        One frame a clip: float32 (1, 512), unit norm, of the first 10 s (never a random crop); shorter clips are repeated whole
        as often as they fit and zero-padded. Text is cut at 77 tokens. The RoBERTa tokenizer is looked for in the checkpoint's
        folder, in ``tokenizer/`` next to the checkpoint, in ``cache_dir/tokenizer`` and in the Hugging Face cache.

        Raises:
            CheckpointError: missing, damaged, unsafe, another network's file, a fusion model, no usable tokenizer, or a text
                encoder that gives two unrelated sentences the same embedding.
            ReaudioError: a rate other than 48 kHz, or a device that is not there.
        """
        from reaudio_eval.features.embedders import _clap

        return _clap.load(checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir)


PLUGIN = Clap()
