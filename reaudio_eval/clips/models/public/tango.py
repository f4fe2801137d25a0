"""Tango and Tango 2 from the authors' files.

Ghosal et al. 2023 (arXiv 2304.13731), Majumder et al. 2024 (arXiv 2404.09956). A Stable Diffusion UNet on AudioLDM's latents,
conditioned on the tokens of FLAN-T5-large. Sampling as in declare-lab/tango @ 34ecd38 (``tango.py``, ``models.py``): DDPM over the noise
of Stable Diffusion 2.1 with velocity prediction, guidance 3; the paper has 200 steps, the code's default is 100.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import AutoTokenizer, T5Config, T5EncoderModel

from reaudio_eval.clips.models._tango import T5_NAME, WEIGHTS
from reaudio_eval.clips.models.public.latent import LatentDiffusion, placed
from reaudio_eval.clips.models.public.system import Opener, Settings
from reaudio_model.codec.codec import Codec
from reaudio_model.codec.codec_checkpoints import load_vae, load_vocoder
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import TOKENIZERS, build, exact_inference, open_device
from reaudio_model.common.json_files import read_json_object
from reaudio_model.common.weights import load_state_dict
from reaudio_model.config import CodecConfig, DType
from reaudio_model.denoiser.sampling import Scheduler
from reaudio_model.retrieval.records import Conditioning, Neighbour

CODEC = CodecConfig()
# configs/diffusion_model_config.json of the repository, which the weights do not include: 686 tensors, 865,933,768 parameters.
UNET: dict[str, Any] = {
    "sample_size": (32, 2),
    "in_channels": 8,
    "out_channels": 8,
    "attention_head_dim": (5, 10, 20, 20),  # the number of heads
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 1024,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "use_linear_projection": True,
    "upcast_attention": True,
}
# FLAN-T5-large, whose encoder is among the weights.
T5: dict[str, Any] = {
    "vocab_size": 32_128, "d_model": 1024, "d_kv": 64, "d_ff": 2816, "num_layers": 24, "num_heads": 16, "dropout_rate": 0.0,
    "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False,
}  # fmt: skip
MAX_TOKENS = 512  # model_max_length of its tokenizer


def noise_schedule() -> DDPMScheduler:
    """Stable Diffusion 2.1's noise with velocity prediction, and the timesteps of the fork of diffusers that Tango uses (0, 5, ..., 995 at
    200 steps: its DDPM has no offset)."""
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        variance_type="fixed_small",
        timestep_spacing="leading",
        steps_offset=0,
    )


class _Denoiser:
    """Cross-attention to the tokens of the prompt."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self._unet = unet

    def __call__(self, latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        predicted: Tensor = self._unet(
            latents,
            timestep,
            encoder_hidden_states=conditioning.captions,
            encoder_attention_mask=conditioning.captions_mask,
        ).sample
        return predicted


class Tango(LatentDiffusion):
    """Conditioned on the T5 tokens of the prompt."""

    def __init__(self, unet: UNet2DConditionModel, codec: Codec, t5: T5EncoderModel, tokenizer: Any) -> None:
        super().__init__(_Denoiser(unet), unet, codec, len(unet.config.block_out_channels))
        self._t5, self._tokenizer = t5, tokenizer

    def condition(
        self, prompts: Sequence[str], retrieved: Sequence[Sequence[Neighbour]] | None
    ) -> tuple[Conditioning, Conditioning]:
        tokens, mask = self._encode(list(prompts), None)
        return _of(tokens, mask), _of(*self._encode([""] * len(prompts), tokens.shape[1]))

    def _encode(self, texts: list[str], length: int | None) -> tuple[Tensor, Tensor]:
        """Tokens float32 (n, length, width) and their mask; padded to the longest text where no length is given."""
        with TOKENIZERS:
            padding = True if length is None else "max_length"
            inputs = self._tokenizer(
                texts, padding=padding, truncation=True, max_length=length or MAX_TOKENS, return_tensors="pt"
            )
        ids, mask = inputs["input_ids"].to(self.device), inputs["attention_mask"].to(self.device)
        with exact_inference():
            states: Tensor = self._t5(input_ids=ids, attention_mask=mask).last_hidden_state
        return states.float().clone(), mask.bool()

    def scheduler(self, settings: Settings) -> Scheduler:
        return noise_schedule()

    def training_noise(self) -> Scheduler | None:
        return noise_schedule()

    def networks(self) -> Mapping[str, nn.Module]:
        return {**super().networks(), "t5": self._t5}

    def vocabularies(self) -> Mapping[str, Mapping[str, int]]:
        return {"t5_tokenizer": self._tokenizer.get_vocab()}

    def settings_record(self) -> Mapping[str, Any]:
        return {"sampler": "ddpm"}


def _of(tokens: Tensor, mask: Tensor) -> Conditioning:
    return Conditioning(tokens.new_zeros(len(tokens), 0), None, None, tokens, mask)


class TangoOpener(Opener):
    """Opens Tango and Tango 2, whose files have the same layout."""

    def check(self, weights: Path) -> None:
        absent = [name for name in WEIGHTS if not (weights / name).is_file()]
        if absent:
            raise CheckpointError(f"{weights} is no folder of Tango: it has no {', '.join(absent)}.")

    def open(self, weights: Path, variant: str, *, device: str, dtype: DType, cache_dir: Path | None) -> Tango:
        self.check(weights)
        where = open_device(device)
        file = weights / "pytorch_model_main.bin"
        state = load_state_dict(file)
        unet = build(
            lambda: UNet2DConditionModel(**UNET), _under(state, "unet."), path=file, what="Tango's UNet", device=where
        )
        words = _with_shared_words(_under(state, "text_encoder."))
        t5 = build(lambda: T5EncoderModel(T5Config(**T5)), words, path=file, what="Tango's T5 encoder", device=where)
        vae_file = weights / "pytorch_model_vae.bin"
        codec = Codec(load_vae(vae_file, CODEC).to(where), load_vocoder(vae_file, CODEC).to(where), CODEC.mel)
        name = read_json_object(
            weights / "main_config.json", "Tango's settings", remedy="fetch it again", error=CheckpointError
        )
        tokenizer = _tokenizer(weights, str(name.get("text_encoder_name", T5_NAME)), cache_dir)
        return Tango(placed(unet, where, dtype), codec, t5, tokenizer)


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _with_shared_words(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The embedding of words under both of its names, of which a file may have one."""
    names = ("shared.weight", "encoder.embed_tokens.weight")
    found = next((state[name] for name in names if name in state), None)
    return state if found is None else {**state, **dict.fromkeys(names, found)}


def _tokenizer(folder: Path, name: str, cache_dir: Path | None) -> Any:
    """The tokenizer of T5: in the folder, in the cache of this package, or in the hub's cache."""
    places = [folder / "tokenizer", *([cache_dir / "t5_tokenizer"] if cache_dir else [])]
    for place in [*(str(p) for p in places if p.is_dir()), name]:
        try:
            tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
        if 2 < len(tokenizer) <= T5["vocab_size"]:
            return tokenizer
    raise CheckpointError(
        f"There is no tokenizer of {name} for {folder}: put its tokenizer.json, tokenizer_config.json and config.json into "
        f"{folder / 'tokenizer'}."
    )


OPENER = TangoOpener()
