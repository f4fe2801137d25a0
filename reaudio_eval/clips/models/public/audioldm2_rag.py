"""AudioLDM 2 with tokens of retrieved audio in place of GPT-2's.

AudioLDM 2's denoiser was pre-trained on AudioMAE's tokens of the sound itself, which GPT-2 guesses from the prompt at inference (arXiv
2308.05734, sections 3.2 and 3.3). Here they are those of the clips nearest to the prompt: retrieval without any training. The null prompt
keeps GPT-2's tokens, so that with k 0 the system is AudioLDM 2, its control.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from reaudio_eval.clips.models.audioldm2_rag import AUDIO_MAE_HUB
from reaudio_eval.clips.models.public.audioldm2 import AudioLdm2, AudioLdm2Opener, padded, place_pipeline
from reaudio_model.common.audio import decode
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.inference import exact_inference, open_device
from reaudio_model.config import ConditionConfig, DType
from reaudio_model.encoders.audio_mae import audio_mae_input, audio_mae_tokens, prepare_clip
from reaudio_model.encoders.clap import Clap
from reaudio_model.encoders.encoder_checkpoints import load_audio_mae
from reaudio_model.retrieval.records import Conditioning, Neighbour, Pair

if TYPE_CHECKING:
    from diffusers import AudioLDM2Pipeline
    from transformers import ViTModel

CONDITION = ConditionConfig(mae_pool=(8, 8))  # 8 tokens a clip, as AudioLDM 2 for sounds
AUDIO_MAE = ("audio_mae", "audio_mae.pth", "pretrained.pth")  # in the folder of the weights


class AudioLdm2Rag(AudioLdm2):
    """Conditioned on the AudioMAE tokens of retrieved clips, and on the T5 tokens of the prompt."""

    def __init__(self, pipeline: AudioLDM2Pipeline, audio_mae: ViTModel) -> None:
        super().__init__(pipeline)
        self._audio_mae = audio_mae

    def condition(
        self, prompts: Sequence[str], retrieved: Sequence[Sequence[Neighbour]] | None
    ) -> tuple[Conditioning, Conditioning]:
        conditional, null = super().condition(prompts, retrieved)
        if not retrieved or not any(retrieved):
            return conditional, null
        rows = [self._tokens([neighbour.pair for neighbour in each]) for each in retrieved]
        own = conditional.audio
        assert own is not None
        rows = [row if len(row) else own[i] for i, row in enumerate(rows)]  # GPT-2's where nothing was retrieved
        longest = max(own.shape[1], *(len(row) for row in rows))
        audio = torch.cat([padded(row[None], longest) for row in rows])
        mask = torch.arange(longest, device=audio.device) < torch.tensor([[len(row)] for row in rows], device=audio.device)
        return replace(conditional, audio=audio, audio_mask=mask), _lengthened(null, longest)

    def _tokens(self, pairs: Sequence[Pair]) -> Tensor:
        """float32 (tokens of all pairs, width), in rank order."""
        tokens = [self._encode_clip(pair) for pair in pairs]
        return torch.cat(tokens) if tokens else torch.zeros(0, CONDITION.mae_dim, device=self.device)

    def _encode_clip(self, pair: Pair) -> Tensor:
        if pair.audio is None:
            raise ReaudioError(
                f"The retrieved pair {pair.clip_id!r} has no audio file: repeat `reaudio-model index build` "
                "with --audio-root."
            )
        audio = decode(pair.audio)
        waveform = np.stack([prepare_clip(audio.samples, audio.sample_rate, CONDITION)])
        with exact_inference():
            inputs = audio_mae_input(torch.from_numpy(waveform).to(self.device), CONDITION)
            return audio_mae_tokens(self._audio_mae, inputs, CONDITION).float()[0].clone()

    def retriever(self) -> Clap | None:
        return self.reranker()

    def networks(self) -> Mapping[str, nn.Module]:
        return {**super().networks(), "audio_mae": self._audio_mae}


def _lengthened(null: Conditioning, length: int) -> Conditioning:
    """The null with as many audio tokens as the conditioning; the added ones are masked out."""
    assert null.audio is not None
    assert null.audio_mask is not None
    return replace(null, audio=padded(null.audio, length), audio_mask=padded(null.audio_mask, length))


class AudioLdm2RagOpener(AudioLdm2Opener):
    """Opens AudioLDM 2 and AudioMAE."""

    def open(self, weights: Path, variant: str, *, device: str, dtype: DType, cache_dir: Path | None) -> AudioLdm2Rag:
        where = open_device(device)
        audio_mae = load_audio_mae(find_audio_mae(weights), CONDITION, device=where, cache_dir=cache_dir)
        return AudioLdm2Rag(place_pipeline(weights, where, dtype), audio_mae)


def find_audio_mae(weights: Path) -> Path:
    """AudioMAE in the folder of AudioLDM 2, or in the hub's cache.

    Raises:
        CheckpointError: it is in neither.
    """
    found = next((weights / name for name in AUDIO_MAE if (weights / name).exists()), None)
    if found is not None:
        return found
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(AUDIO_MAE_HUB, local_files_only=True))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"AudioMAE is needed to encode retrieved clips: put the authors' pretrained.pth as {AUDIO_MAE[1]} into {weights}, or give "
            f"--allow-download to fetch {AUDIO_MAE_HUB}."
        ) from error


OPENER = AudioLdm2RagOpener()
