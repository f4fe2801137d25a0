"""AudioLDM 2 from a diffusers folder.

Liu et al. 2023, arXiv 2308.05734. Encoders and denoiser are those of diffusers' ``AudioLDM2Pipeline``, whose output is matched for one
prompt a call (3e-7 relative). Differences: the conditioning of each prompt is computed alone, because GPT-2 counts the padding of a batch
among its positions; candidates are ranked for each prompt alone, where the library mixes those of a batch (huggingface/diffusers#13602);
GPT-2 is read as ``GPT2LMHeadModel``, whatever class the folder names, because transformers 5 removed what the pipeline calls from the
other (huggingface/diffusers#12630). Both have GPT-2's tokens of the empty text in the null of guidance, where audioldm2 0.1.0, the authors'
program, has zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AudioLDM2Pipeline
from torch import Tensor, nn
from transformers import GPT2LMHeadModel

from reaudio_eval.clips.models.public.folders import check_folder, load_folder
from reaudio_eval.clips.models.public.latent import LatentDiffusion, placed
from reaudio_eval.clips.models.public.system import Opener, Settings
from reaudio_model.codec.codec import Codec
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import TOKENIZERS, open_device
from reaudio_model.config import DType, MelConfig
from reaudio_model.denoiser.sampling import Scheduler, make_scheduler
from reaudio_model.encoders.clap import Clap
from reaudio_model.retrieval.records import Conditioning, Neighbour

PARTS = (
    "feature_extractor", "language_model", "projection_model", "scheduler", "text_encoder", "text_encoder_2", "tokenizer",
    "tokenizer_2", "unet", "vae", "vocoder",
)  # fmt: skip

LARGE = 550e6  # parameters of a denoiser: 347 million in AudioLDM 2, 718 in AudioLDM 2-Large


class Denoiser:
    """Cross-attention to the tokens of GPT-2 (or of retrieved audio) and of T5."""

    def __init__(self, unet: Any) -> None:
        self._unet = unet

    def __call__(self, latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        predicted: Tensor = self._unet(
            latents,
            timestep,
            encoder_hidden_states=conditioning.audio,
            encoder_attention_mask=conditioning.audio_mask,
            encoder_hidden_states_1=conditioning.captions,
            encoder_attention_mask_1=conditioning.captions_mask,
            return_dict=False,
        )[0]
        return predicted


class AudioLdm2(LatentDiffusion):
    """Conditioned on AudioMAE-like tokens that GPT-2 generates, and on the T5 tokens of the prompt."""

    def __init__(self, pipeline: AudioLDM2Pipeline) -> None:
        mel = MelConfig(sample_rate=pipeline.vocoder.config.sampling_rate, n_mels=pipeline.vocoder.config.model_in_dim)
        codec = Codec(pipeline.vae, pipeline.vocoder, mel)
        super().__init__(Denoiser(pipeline.unet), pipeline.unet, codec, len(pipeline.unet.config.block_out_channels))
        self._pipeline = pipeline
        self._clap = Clap(pipeline.text_encoder, pipeline.tokenizer)

    def condition(
        self, prompts: Sequence[str], retrieved: Sequence[Sequence[Neighbour]] | None
    ) -> tuple[Conditioning, Conditioning]:
        encoded = [self._encode(prompt) for prompt in prompts]
        longest = max(tokens.shape[1] for _, tokens, _ in encoded)
        rows = [_of(audio, padded(tokens, longest), padded(mask, longest)) for audio, tokens, mask in encoded]
        return _joined([row.rows([1]) for row in rows]), _joined([row.rows([0]) for row in rows])

    def _encode(self, prompt: str) -> tuple[Tensor, Tensor, Tensor]:
        """GPT-2's tokens (2, n, width), T5's (2, m, width) and their mask, of the empty text and of one prompt."""
        with TOKENIZERS, torch.inference_mode():
            tokens, mask, generated = self._pipeline.encode_prompt([prompt], self.device, 1, True)
        return generated.float().clone(), tokens.float().clone(), mask.bool().clone()

    def reranker(self) -> Clap | None:
        return self._clap

    def scheduler(self, settings: Settings) -> Scheduler:
        return make_scheduler(
            settings.scheduler or "ddim", self._pipeline.scheduler.config.get("prediction_type", "epsilon")
        )

    def settings_record(self) -> Mapping[str, Any]:
        return {"prediction_type": self._pipeline.scheduler.config.get("prediction_type", "epsilon")}

    def networks(self) -> Mapping[str, nn.Module]:
        parts = {name: getattr(self._pipeline, name) for name in PARTS}
        return {"denoiser": parts.pop("unet")} | {name: p for name, p in parts.items() if isinstance(p, nn.Module)}

    def vocabularies(self) -> Mapping[str, Mapping[str, int]]:
        return {name: getattr(self._pipeline, name).get_vocab() for name in ("tokenizer", "tokenizer_2")}


def padded(values: Tensor, length: int) -> Tensor:
    """Zeros (False in a mask) at the end of the second axis."""
    missing = length - values.shape[1]
    return torch.cat([values, values.new_zeros(len(values), missing, *values.shape[2:])], dim=1)


def _of(audio: Tensor, captions: Tensor, mask: Tensor) -> Conditioning:
    everything = torch.ones(audio.shape[:2], dtype=torch.bool, device=audio.device)
    return Conditioning(audio.new_zeros(len(audio), 0), audio, everything, captions, mask)


def _joined(rows: Sequence[Conditioning]) -> Conditioning:
    fields = [row.fields() for row in rows]
    return Conditioning(**{name: torch.cat([each[name] for each in fields]) for name in fields[0]})


def load_pipeline(folder: Path) -> AudioLDM2Pipeline:
    """The pipeline of a folder, on the CPU; see :func:`load_folder`."""
    return load_folder(folder, AudioLDM2Pipeline, "AudioLDM 2", PARTS, {"language_model": GPT2LMHeadModel})


def place_pipeline(folder: Path, device: torch.device, dtype: DType) -> AudioLDM2Pipeline:
    """The pipeline of a folder on a device, its denoiser in ``dtype`` and the other networks in float32.

    Raises:
        CheckpointError: see :func:`load_pipeline`.
    """
    pipeline = load_pipeline(folder)
    for name in PARTS:
        if isinstance(part := getattr(pipeline, name), nn.Module):
            placed(part, device, dtype if name == "unet" else "float32")
    return pipeline


class AudioLdm2Opener(Opener):
    """Opens AudioLDM 2 of any size."""

    def check(self, weights: Path) -> None:
        check_folder(weights, "AudioLDM2Pipeline", "AudioLDM 2", PARTS)

    def open(self, weights: Path, variant: str, *, device: str, dtype: DType, cache_dir: Path | None) -> AudioLdm2:
        pipeline = place_pipeline(weights, open_device(device), dtype)
        parameters = sum(weight.numel() for weight in pipeline.unet.parameters())
        found = "large" if parameters > LARGE else ""
        if found != variant:
            right, wrong = (f"audioldm2-{name}" if name else "audioldm2" for name in (found, variant))
            raise CheckpointError(
                f"The denoiser in {weights} has {parameters / 1e6:.0f} million parameters, so it is that of {right} and not of {wrong}: "
                f"give it as --model {right} --weights {right}={weights}."
            )
        return AudioLdm2(pipeline)


OPENER = AudioLdm2Opener()
