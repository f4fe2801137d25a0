"""Microsoft CLAP 2023: audio and text embeddings in one space."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.features.embedders import CheckpointFile, EmbedderPlugin, EmbedderSpec, TextEmbedder


class MsClap(EmbedderPlugin):
    """Microsoft CLAP 2023."""

    spec = EmbedderSpec(
        title="MS-CLAP 2023",
        sample_rates=(44_100,),
        many_frames=False,
        has_logits=False,
        has_text=True,
        vocabulary_name=None,
        min_seconds=0.0,  # a shorter clip is repeated to 7 s, as the network was trained
        checkpoints=(
            CheckpointFile(
                filename="CLAP_weights_2023.pth",
                url="https://huggingface.co/microsoft/msclap/resolve/main/CLAP_weights_2023.pth",
                sha256="2cef4016d47d00eb28d153d522f397222057f95000e9bad6b9583c631284a1e6",
                n_bytes=689_950_036,
                licence="MS-PL",
                sample_rate=44_100,
            ),
        ),
        source="Elizalde et al. 2023, arXiv 2309.05767; msclap 1.3.4, version 2023",
        tokenizer="openai-community/gpt2",
    )

    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> TextEmbedder:
        """HTSAT for audio and GPT-2 for text, each with its projection.

        One frame a clip: float32 (1, 1024), not normalised, of the first 7 s (msclap takes a random 7 s, so that its numbers change from
        run to run); shorter clips are repeated to 7 s. Text is cut at 77 tokens. The GPT-2 tokenizer is looked for in
        ``gpt2_tokenizer/`` next to the checkpoint and in ``cache_dir``, and in the Hugging Face cache.

        Raises:
            CheckpointError: missing, damaged, unsafe, another network's file, or no usable tokenizer.
            ReaudioError: a rate other than 44.1 kHz, or a device that is not there.
        """
        from reaudio_eval.features.embedders import _msclap

        return _msclap.load(checkpoint, self.spec, sample_rate=sample_rate, device=device, cache_dir=cache_dir)


PLUGIN = MsClap()
