"""AudioGen from audiocraft's files.

Kreuk et al. 2023 (arXiv 2209.15352), in the version of ``facebook/audiogen-medium``. A language model over the four codebooks of an EnCodec
at 16 kHz and 50 Hz, conditioned on the tokens of T5-large. The networks are transformers' Musicgen and EnCodec classes, which agree with
those of audiocraft 1.3.0 on random weights (``benchmarks/parity.py``). Sampling as in audiocraft's ``lm.py`` and ``audiogen.py``: delayed
codebooks, guidance 3 with zeros for the null text, the 250 most likely codes at temperature 1. Where a batch pads a prompt, the padding is
masked, as in a call with this prompt alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import EncodecConfig, EncodecModel, MusicgenDecoderConfig, MusicgenForCausalLM, T5EncoderModel

from reaudio_eval.clips.models.audiogen import T5_NAME
from reaudio_eval.clips.models.public.delayed_codes import CodeSampler
from reaudio_eval.clips.models.public.latent import placed
from reaudio_eval.clips.models.public.system import Opener, PublicSystem, Settings
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import TOKENIZERS, build, exact_inference, open_device
from reaudio_model.common.weights import check_keys, load_state_dict
from reaudio_model.config import DType
from reaudio_model.denoiser.sampling import check_sound, clip_generators
from reaudio_model.encoders.encoder_checkpoints import load_t5
from reaudio_model.retrieval.records import Neighbour

Network = TypeVar("Network", bound=nn.Module)
LM_FILE, CODEC_FILE = "state_dict.bin", "compression_state_dict.bin"
TOP_K = 250
# config/model/lm/audiogen_lm.yaml with model_scale/medium.yaml of audiocraft.
DECODER: dict[str, Any] = {
    "vocab_size": 2048, "hidden_size": 1536, "num_hidden_layers": 48, "num_attention_heads": 24, "ffn_dim": 6144, "num_codebooks": 4,
    "max_position_embeddings": 2048, "activation_function": "gelu", "dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0,
    "scale_embedding": False, "pad_token_id": 2048, "bos_token_id": 2048, "tie_word_embeddings": False,
}  # fmt: skip
TEXT_WIDTH = 1024
# config/model/encodec/encodec_large_nq4_s320.yaml with encodec/default.yaml.
ENCODEC: dict[str, Any] = {
    "sampling_rate": 16_000, "audio_channels": 1, "normalize": False, "num_filters": 64, "num_residual_layers": 1,
    "upsampling_ratios": [8, 5, 4, 2], "norm_type": "weight_norm", "kernel_size": 7, "last_kernel_size": 7, "residual_kernel_size": 3,
    "dilation_growth_rate": 2, "use_causal_conv": False, "pad_mode": "constant", "compress": 2, "num_lstm_layers": 2,
    "trim_right_ratio": 1.0, "codebook_size": 2048, "codebook_dim": 128, "hidden_size": 128, "use_conv_shortcut": False,
    "target_bandwidths": [2.2],
}  # fmt: skip
_LM_NAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^emb\.", "model.decoder.embed_tokens."),
        (r"^transformer\.", "model.decoder."),
        (r"^out_norm\.", "model.decoder.layer_norm."),
        (r"^linears\.", "lm_heads."),
        (r"\.cross_attention\.", ".encoder_attn."),
        (r"\.linear(1|2)\.", r".fc\1."),
        (r"\.norm1\.", ".self_attn_layer_norm."),
        (r"\.norm_cross\.", ".encoder_attn_layer_norm."),
        (r"\.norm2\.", ".final_layer_norm."),
    )
)
_CODEC_NAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^(encoder|decoder)\.model\.", r"\1.layers."),
        (r"^quantizer\.vq\.layers\.", "quantizer.layers."),
        (r"\._codebook\.", ".codebook."),
        (r"\.(conv|convtr)\.\1\.", ".conv."),
        (r"\.weight_g$", ".parametrizations.weight.original0"),
        (r"\.weight_v$", ".parametrizations.weight.original1"),
    )
)
_PROJECTION = "condition_provider.conditioners.description.output_proj."


class AudioGen(PublicSystem):
    """T5 tokens to EnCodec's codes to sound."""

    def __init__(
        self,
        language_model: MusicgenForCausalLM,
        codec: EncodecModel,
        t5: T5EncoderModel,
        tokenizer: Any,
        projection: nn.Linear,
    ) -> None:
        self.sample_rate = int(codec.config.sampling_rate)
        self._lm, self._codec, self._t5, self._tokenizer, self._projection = language_model, codec, t5, tokenizer, projection

    def networks(self) -> Mapping[str, nn.Module]:
        return {"language_model": self._lm, "codec": self._codec, "t5": self._t5, "projection": self._projection}

    def vocabularies(self) -> Mapping[str, Mapping[str, int]]:
        return {"t5_tokenizer": self._tokenizer.get_vocab()}

    def settings_record(self) -> Mapping[str, Any]:
        return {"top_k": TOP_K, "temperature": 1.0}

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        settings: Settings,
        retrieved: Sequence[Sequence[Neighbour]] | None = None,
    ) -> npt.NDArray[np.float32]:
        with exact_inference():
            text, mask = self.encode(prompts)
            check_sound(text, "the encoder gives text embeddings")
            sampler = CodeSampler(self._lm, settings.guidance, TOP_K)
            codes = sampler.sample(
                text, mask, round(settings.seconds * self._codec.config.frame_rate), clip_generators(seeds)
            )
            sound: Tensor = self._codec.decode(codes[None], [None]).audio_values[:, 0]
            samples = check_sound(sound.float(), "EnCodec gives samples")[:, : round(settings.seconds * self.sample_rate)]
            return samples.clamp(-1, 1).cpu().numpy()

    def encode(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Projected T5 tokens float32 (n, length, width), zeros where padded, and their mask bool (n, length)."""
        with TOKENIZERS:
            inputs = self._tokenizer(list(prompts), padding=True, return_tensors="pt")
        device = next(self._t5.parameters()).device
        ids, mask = inputs["input_ids"].to(device), inputs["attention_mask"].to(device)
        states: Tensor = self._t5(input_ids=ids, attention_mask=mask).last_hidden_state
        return self._projection(states) * mask[..., None], mask.bool()


def language_model_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """audiocraft's names of the language model -> transformers'; fused query-key-value matrices are split in three."""
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.startswith("condition_provider."):
            continue
        for pattern, replacement in _LM_NAMES:
            key = pattern.sub(replacement, key)
        if key.endswith(".in_proj_weight"):
            for name, part in zip("qkv", value.chunk(3), strict=True):
                renamed[key.replace("in_proj_weight", f"{name}_proj.weight")] = part
        else:
            renamed[key] = value
    return renamed


def codec_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """audiocraft's names of EnCodec -> transformers'."""
    renamed = {}
    for key, value in state.items():
        for pattern, replacement in _CODEC_NAMES:
            key = pattern.sub(replacement, key)
        renamed[key] = value
    return renamed


class AudioGenOpener(Opener):
    """Opens AudioGen."""

    def check(self, weights: Path) -> None:
        absent = [name for name in (LM_FILE, CODEC_FILE) if not (weights / name).is_file()]
        if absent:
            raise CheckpointError(f"{weights} is no folder of AudioGen: it has no {' and no '.join(absent)}.")

    def open(self, weights: Path, variant: str, *, device: str, dtype: DType, cache_dir: Path | None) -> AudioGen:
        self.check(weights)
        where = open_device(device)
        state = load_state_dict(weights / LM_FILE, wrapper="best_state")
        codec = _filled(
            EncodecModel(EncodecConfig(**ENCODEC)),
            codec_state(load_state_dict(weights / CODEC_FILE, wrapper="best_state")),
            weights / CODEC_FILE,
            "AudioGen's EnCodec",
        )
        language_model = _filled(
            _empty_language_model(), language_model_state(state), weights / LM_FILE, "AudioGen's language model"
        )
        projection = {key.removeprefix(_PROJECTION): value for key, value in state.items() if key.startswith(_PROJECTION)}
        linear = build(
            lambda: nn.Linear(TEXT_WIDTH, DECODER["hidden_size"]),
            projection,
            path=weights / LM_FILE,
            what="AudioGen's text projection",
            device=where,
        )
        t5, tokenizer = _t5(weights / "t5", where)
        return AudioGen(placed(language_model, where, dtype), placed(codec, where, "float32"), t5, tokenizer, linear)


def _t5(inside: Path, device: torch.device) -> tuple[T5EncoderModel, Any]:
    """T5-large and its tokenizer: in the folder of the weights, or in the hub's cache."""
    try:
        return load_t5(str(inside) if inside.is_dir() else T5_NAME, device=device)
    except CheckpointError as error:
        raise CheckpointError(
            f"AudioGen reads texts with T5-large, which is not in {inside} or is damaged there: put all files of {T5_NAME} there, or "
            "remove the folder and give --allow-download to fetch them."
        ) from error


def _empty_language_model() -> MusicgenForCausalLM:
    """The network without weights, and with its sinusoids of positions, which no file has."""
    with torch.device("meta"):
        network = MusicgenForCausalLM(MusicgenDecoderConfig(**DECODER))
    positions = network.model.decoder.embed_positions
    n, width = positions.num_positions, positions.embedding_dim
    positions.weights = positions.get_embedding(n, width)
    return network


def _filled(network: Network, state: dict[str, Tensor], path: Path, what: str) -> Network:
    """A network with the weights of a file."""
    check_keys(state, network, path, what)
    network.load_state_dict(state, assign=True)
    return network


OPENER = AudioGenOpener()
