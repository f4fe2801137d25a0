"""AudioLDM 2 from a diffusers folder.

Liu et al. 2023, arXiv 2308.05734. Encoders and denoiser are those of diffusers' ``AudioLDM2Pipeline``, whose output is matched for one
prompt a call (3e-7 relative). Differences: the conditioning of each prompt is computed alone, because GPT-2 counts the padding of a batch
among its positions; candidates are ranked for each prompt alone, where the library mixes those of a batch (huggingface/diffusers#13602);
GPT-2 is read as ``GPT2LMHeadModel``, whatever class the folder names, because transformers 5 removed what the pipeline calls from the
other (huggingface/diffusers#12630).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AudioLDM2Pipeline
from torch import Tensor, nn

from reaudio_eval.clips.models.public.latent import LatentDiffusion, placed
from reaudio_eval.clips.models.public.system import Opener, Settings
from reaudio_model.codec.codec import Codec
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import TOKENIZERS, open_device
from reaudio_model.common.json_files import read_json_object
from reaudio_model.common.weights import variant_of
from reaudio_model.config import DType, MelConfig
from reaudio_model.denoiser.sampling import Scheduler, make_scheduler
from reaudio_model.encoders.clap import Clap
from reaudio_model.pipeline.part_check import check_parts
from reaudio_model.retrieval.records import Conditioning

_PARTS = (
    "feature_extractor", "language_model", "projection_model", "scheduler", "text_encoder", "text_encoder_2", "tokenizer",
    "tokenizer_2", "unet", "vae", "vocoder",
)  # fmt: skip


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

    def condition(self, prompts: Sequence[str]) -> tuple[Conditioning, Conditioning]:
        encoded = [self._encode(prompt) for prompt in prompts]
        longest = max(tokens.shape[1] for _, tokens, _ in encoded)
        rows = [_of(audio, _padded(tokens, longest), _padded(mask, longest)) for audio, tokens, mask in encoded]
        conditional = [row.rows([1]) for row in rows]
        null = [row.rows([0]) for row in rows]
        return _joined(conditional), _joined(null)

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

    def networks(self) -> Mapping[str, nn.Module]:
        parts = {name: getattr(self._pipeline, name) for name in _PARTS}
        return {"denoiser": parts.pop("unet")} | {name: p for name, p in parts.items() if isinstance(p, nn.Module)}

    def vocabularies(self) -> Mapping[str, Mapping[str, int]]:
        return {name: getattr(self._pipeline, name).get_vocab() for name in ("tokenizer", "tokenizer_2")}


def _padded(values: Tensor, length: int) -> Tensor:
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
    """The pipeline of a folder, float32, on the CPU; every weight comes from the files and is finite.

    Raises:
        CheckpointError: no folder of AudioLDM 2, or a damaged one.
    """
    from transformers import GPT2LMHeadModel

    index = read_json_object(
        folder / "model_index.json", "the list of a pipeline's parts", remedy="fetch the folder again", error=CheckpointError
    )
    absent = [name for name in _PARTS if not (folder / name).is_dir()]
    if index.get("_class_name") != "AudioLDM2Pipeline" or absent:
        lack = f"it has no {', '.join(absent)}" if absent else f"it is of {index.get('_class_name')}"
        raise CheckpointError(f"{folder} is no diffusers folder of AudioLDM 2: {lack}.")
    variant = variant_of(folder / "unet")
    try:
        language_model = GPT2LMHeadModel.from_pretrained(folder / "language_model", local_files_only=True, variant=variant)
        pipeline = AudioLDM2Pipeline.from_pretrained(
            folder, language_model=language_model, local_files_only=True, torch_dtype=torch.float32, variant=variant
        )
    except Exception as error:  # a damaged file can raise any exception
        raise CheckpointError(f"{folder} is damaged ({str(error).splitlines()[0]}): fetch it again.") from error
    check_parts(pipeline.components, folder, variant, given=())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


class AudioLdm2Opener(Opener):
    """Opens AudioLDM 2 of any size."""

    def open(self, weights: Path, variant: str, *, device: str, dtype: DType, cache_dir: Path | None) -> AudioLdm2:
        pipeline, where = load_pipeline(weights), open_device(device)
        for name in _PARTS:
            if isinstance(part := getattr(pipeline, name), nn.Module):
                placed(part, where, dtype if name == "unet" else "float32")
        return AudioLdm2(pipeline)


OPENER = AudioLdm2Opener()
