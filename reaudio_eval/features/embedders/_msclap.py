"""Microsoft CLAP 2023: HTSAT and GPT-2 of transformers with their projections.

Equal to msclap 1.3.4 on random weights to the tolerance that ``benchmarks/embedder_parity.py`` prints. The front end's kernels lie in the
checkpoint: they are those for 32 kHz, which msclap applies to audio at 44.1 kHz.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ClapAudioConfig, GPT2Config, GPT2Model
from transformers.models.clap.modeling_clap import ClapAudioModel

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_eval.features.embedders._panns import LogMel, Spectrogram
from reaudio_model.common.inference import TOKENIZERS, build, equal_length_batches, exact_inference, open_device
from reaudio_model.common.weights import load_state_dict, sha256_file
from reaudio_model.encoders import clap_keys
from reaudio_model.encoders.clap import load_tokenizer

SAMPLE_RATE = 44_100
N_SAMPLES = 7 * SAMPLE_RATE
N_FFT, HOP = 1024, 320
MAX_TOKENS = 77
MAX_BATCH_TOKENS = 64 * MAX_TOKENS
END = " <|endoftext|>"
PAD = "!"  # GPT-2 has no token for padding: msclap pads with this one, and counts it as padding wherever it stands
PAD_ID = 0
HUB_TOKENIZERS = ("openai-community/gpt2", "gpt2")
_AUDIO, _TEXT = "audio_encoder.base.htsat.", "caption_encoder.base."
_CAUSAL_MASKS = (".attn.bias", ".attn.masked_bias")  # buffers that older versions of transformers stored


class Size(NamedTuple):
    """Widths, depths and heads of HTSAT's stages and of GPT-2, its vocabulary, and the width of the common space."""

    patch: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    text: int
    text_depth: int
    text_heads: int
    vocabulary: int
    space: int


PUBLISHED = Size(96, (2, 2, 6, 2), (4, 8, 16, 32), 768, 12, 12, 50_257, 1024)


class Projection(nn.Module):
    """Two linear layers with a shortcut and a layer norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(n_in, n_out, bias=False)
        self.linear2 = nn.Linear(n_out, n_out, bias=False)
        self.layer_norm = nn.LayerNorm(n_out)

    def forward(self, x: Tensor) -> Tensor:
        one = self.linear1(x)
        normed: Tensor = self.layer_norm(one + self.linear2(F.gelu(one)))
        return normed


class MsClap(nn.Module):
    """Waveforms, and tokens of captions -> vectors of one space."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width = size.patch * 2 ** (len(size.depths) - 1)
        audio = ClapAudioConfig(
            patch_embeds_hidden_size=size.patch,
            hidden_size=width,
            depths=list(size.depths),
            num_attention_heads=list(size.heads),
            num_hidden_layers=len(size.depths),
            enable_fusion=False,
        )
        text = GPT2Config(vocab_size=size.vocabulary, n_embd=size.text, n_layer=size.text_depth, n_head=size.text_heads)
        self.spectrogram_extractor = Spectrogram(N_FFT, HOP)
        self.logmel_extractor = LogMel(N_FFT // 2 + 1)
        self.audio: Any = ClapAudioModel(audio)
        self.text: Any = GPT2Model(text)
        self.audio_projection = Projection(width, size.space)
        self.text_projection = Projection(size.text, size.space)

    def audio_features(self, waveforms: Tensor) -> Tensor:
        """float32 (batch, samples) -> (batch, d)."""
        log_mel = self.logmel_extractor(self.spectrogram_extractor(waveforms))
        found: Tensor = self.audio_projection(self.audio(input_features=log_mel[:, None]).pooler_output)
        return found

    def text_features(self, tokens: Tensor) -> Tensor:
        """int64 (batch, n) -> (batch, d), of the state at the last token as msclap counts them: those that are not ``PAD``."""
        states = self.text(input_ids=tokens).last_hidden_state
        last = (tokens != PAD_ID).sum(dim=1) - 1
        found: Tensor = self.text_projection(states[torch.arange(len(tokens), device=tokens.device), last])
        return found


class MsClapEmbedder(TorchEmbedder):
    """One frame a clip, and unit-norm text embeddings."""

    encoder_sha256 = ""  # no index is made with it

    def __init__(self, network: MsClap, tokenizer: Any, spec: EmbedderSpec, *, sha256: str, device: torch.device) -> None:
        super().__init__(sha256=sha256, sample_rate=SAMPLE_RATE, device=device, min_seconds=spec.min_seconds)
        self._network = network
        self._tokenizer = tokenizer

    def _prepare(self, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        whole = super()._prepare(waveform)
        return np.tile(whole, math.ceil(N_SAMPLES / len(whole)))[:N_SAMPLES]

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        return clip_features(self._network.audio_features(waveforms)[:, None])

    def embed_text(self, captions: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 (len(captions), 1024), unit norm, in the space of ``embed``'s frames; batched by number of tokens, without padding."""
        with TOKENIZERS:
            cut = {"truncation": True, "max_length": MAX_TOKENS}
            tokens: list[list[int]] = [self._tokenizer(caption + END, **cut)["input_ids"] for caption in captions]
        found: dict[int, Tensor] = {}
        for rows in equal_length_batches([len(each) for each in tokens], MAX_BATCH_TOKENS):
            batch = torch.tensor([tokens[row] for row in rows], device=self._device)
            with exact_inference():
                found.update(zip(rows, F.normalize(self._network.text_features(batch), dim=1), strict=True))
        return torch.stack([found[row] for row in range(len(tokens))]).cpu().numpy()


def load(
    path: Path, spec: EmbedderSpec, *, sample_rate: int, device: str, cache_dir: Path | None, size: Size = PUBLISHED
) -> MsClapEmbedder:
    """See :func:`reaudio_eval.features.embedders.msclap.MsClap.load`; another ``size`` than the published one is for tests."""
    check_rate(spec.title, sample_rate, spec.sample_rates)
    where = open_device(device)
    state = renamed(load_state_dict(path, wrapper="model", cache_dir=cache_dir))
    what = f"the MS-CLAP checkpoint {spec.checkpoints[0].filename}"
    network = build(lambda: MsClap(size), state, path=path, what=what, device=where)
    tokenizer = load_tokenizer(path, cache_dir, size.vocabulary, HUB_TOKENIZERS, "gpt2_tokenizer")
    tokenizer.add_special_tokens({"pad_token": PAD})
    embedder = MsClapEmbedder(network, tokenizer, spec, sha256=sha256_file(path), device=where)
    check_finite(embedder, path)
    return embedder


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published keys -> those of :class:`MsClap`; the classifier, the temperature and stored masks are left out."""
    found: dict[str, Tensor] = {}
    htsat: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.startswith(_AUDIO):
            inner = key.removeprefix(_AUDIO)
            front_end = inner.startswith(("spectrogram_extractor.", "logmel_extractor."))
            (found if front_end else htsat)[inner if front_end else f"audio_branch.{inner}"] = value
        elif key.startswith(_TEXT):
            if not key.endswith(_CAUSAL_MASKS):
                found[f"text.{key.removeprefix(_TEXT)}"] = value
        elif key != "logit_scale":
            name = key.replace("audio_encoder.projection", "audio_projection")
            found[name.replace("caption_encoder.projection", "text_projection")] = value
    prefixed = clap_keys.rename(htsat).items()
    return found | {f"audio.{key.removeprefix('audio_model.')}": value for key, value in prefixed}
