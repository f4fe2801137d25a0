"""Model sizes: the paper's S and L, and small presets.

Nothing here imports torch. Values are those of arXiv 2309.08051 unless a field states otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal

from reaudio_model.common.errors import ReaudioError, UnknownNameError

# "prompt": no retrieval; the denoiser is conditioned on T5 tokens of the prompt instead of a CLAP vector (as in Tango).
Retrieval = Literal["none", "audio", "audio+text", "prompt"]
Fusion = Literal["serial", "joint"]
Part = Literal["vae", "vocoder", "diffusion", "clap", "audio-mae", "t5", "tagger"]  # that is trained
DType = Literal["float32", "bfloat16", "float16"]  # of the denoiser
SchedulerName = Literal["dpm-solver++", "unipc", "ddim"]
MAY_BE_0 = ("k", "fmin", "vocoder_refinement")  # of the sizes
PAPER_STEPS, DEFAULT_STEPS = 200, 25  # of sampling; the authors use "ddim" with eta 1


def retrieves(retrieval: Retrieval) -> bool:
    """Whether a denoiser of this kind is conditioned on retrieved pairs."""
    return retrieval in ("audio", "audio+text")


def given_choices(retrieval: Retrieval) -> tuple[Retrieval, ...]:
    """Parts of the retrieved pairs that can condition a denoiser of this kind, least first; () without retrieval."""
    kinds: tuple[Retrieval, ...] = ("none", "audio", "audio+text")
    return kinds[: kinds.index(retrieval) + 1] if retrieves(retrieval) else ()


def reads_text(retrieval: Retrieval) -> bool:
    """Whether it is conditioned on T5 tokens, of retrieved captions or of the prompt."""
    return retrieval in ("audio+text", "prompt")


@dataclass(frozen=True)
class MelConfig:
    """Log-mel front end of VAE and vocoder (AudioLDM's constants).

    Attributes:
        sample_rate: Hz. n_fft, win_length, hop_length: samples. n_mels: bins. fmin, fmax: Hz.
    """

    sample_rate: int = 16_000
    n_fft: int = 1024
    win_length: int = 1024
    hop_length: int = 160
    n_mels: int = 64
    fmin: float = 0.0
    fmax: float = 8_000.0


@dataclass(frozen=True)
class CodecConfig:
    """VAE and HiFi-GAN.

    Attributes:
        mel: the front end.
        seconds: length of a full clip; ``seconds * sample_rate / hop_length`` mel frames.
        vae_channels: block widths; each block but the last halves time and frequency.
        vae_layers: ResNet blocks in a block.
        vae_norm_groups: GroupNorm groups.
        latent_channels: of the latent.
        scaling_factor: latents are multiplied by it after encoding (AudioLDM-S's published value).
        vocoder_channels: width after the first convolution.
        vocoder_rates, vocoder_kernels: upsampling; the rates multiply to the hop length.
        vocoder_resblock_kernels: of the multi-receptive-field blocks (dilations 1, 3, 5).
        vocoder_refinement: iterations of :func:`reaudio_model.codec.refinement.match_mel`, which corrects the vocoder's waveform
            towards its log-mel; 0, as in the paper, disables it.
    """

    mel: MelConfig = MelConfig()
    seconds: float = 10.24
    vae_channels: tuple[int, ...] = (128, 256, 512)
    vae_layers: int = 2
    vae_norm_groups: int = 32
    latent_channels: int = 8
    scaling_factor: float = 0.9227914214134216
    vocoder_channels: int = 1024
    vocoder_rates: tuple[int, ...] = (5, 4, 2, 2, 2)
    vocoder_kernels: tuple[int, ...] = (16, 16, 8, 4, 4)
    vocoder_resblock_kernels: tuple[int, ...] = (3, 7, 11)
    vocoder_refinement: int = 0

    @property
    def n_samples(self) -> int:
        return round(self.seconds * self.mel.sample_rate)

    @property
    def n_frames(self) -> int:
        return self.n_samples // self.mel.hop_length

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, time, frequency)."""
        ratio = 2 ** (len(self.vae_channels) - 1)
        return self.latent_channels, self.n_frames // ratio, self.mel.n_mels // ratio


@dataclass(frozen=True)
class ConditionConfig:
    """Denoiser conditioning.

    Attributes:
        clap_dim: width of the CLAP text vector E^t (FiLM).
        mae_dim, mae_layers, mae_heads, mae_mlp: the AudioMAE encoder.
        mae_frames, mae_bins: its input, fbank frames x bins. mae_patch: side of a patch.
        mae_pool: (time, frequency) pooling of its tokens; (4, 4) leaves 32 tokens of a clip, as in the paper.
        mae_mean: number of last blocks that are averaged, each after the final norm.
        t5_dim: width of the T5 tokens E^rt. t5_length: tokens of a caption.
        t5_name: hub id or folder of the T5 encoder.
    """

    clap_dim: int = 512
    mae_dim: int = 768
    mae_layers: int = 12
    mae_heads: int = 12
    mae_mlp: int = 3072
    mae_frames: int = 1024
    mae_bins: int = 128
    mae_patch: int = 16
    mae_pool: tuple[int, int] = (4, 4)
    mae_mean: int = 3
    t5_dim: int = 1024
    t5_length: int = 50
    t5_name: str = "google/flan-t5-large"

    @property
    def mae_tokens(self) -> int:
        """Pooled tokens of one retrieved clip."""
        time, freq = self.mae_frames // self.mae_patch, self.mae_bins // self.mae_patch
        return (time // self.mae_pool[0]) * (freq // self.mae_pool[1])


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a Re-AudioLDM.

    Attributes:
        name: of the preset.
        base_channels: UNet width, a multiple of 32. The paper states "196" for L, which 32 GroupNorm groups and 32-wide heads
            exclude; 192 is the width of AudioLDM's medium model.
        channel_multipliers: widths of the levels.
        layers_per_block: ResNet blocks in a level.
        head_width: channels in an attention head; the number of heads follows.
        norm_groups: GroupNorm groups.
        retrieval: which tokens of retrieved pairs condition the denoiser: none, audio, or audio and captions; "prompt" means no
            retrieval and T5 tokens of the prompt.
        k: default number of retrieved pairs (and maximum in training).
        fusion: "serial": self-attention, then cross-attention to audio, then to text, as in the authors' framework;
            "joint": one cross-attention over all tokens, projected to one width.
        codec, condition: the other parts.
    """

    name: str
    base_channels: int
    channel_multipliers: tuple[int, ...] = (1, 2, 3, 5)
    layers_per_block: int = 2
    head_width: int = 32
    norm_groups: int = 32
    retrieval: Retrieval = "audio+text"
    k: int = 3
    fusion: Fusion = "serial"
    codec: CodecConfig = CodecConfig()
    condition: ConditionConfig = ConditionConfig()

    def __post_init__(self) -> None:
        _require_positive(self)
        if self.base_channels % self.norm_groups or self.base_channels % self.head_width:
            raise ReaudioError(
                f"base_channels must be a multiple of {self.norm_groups} (GroupNorm) and of {self.head_width} (heads), "
                f"not {self.base_channels}."
            )

    @property
    def channels(self) -> tuple[int, ...]:
        return tuple(self.base_channels * m for m in self.channel_multipliers)


def _require_positive(sizes: Any, prefix: str = "") -> None:
    """Refuse sizes, also of nested parts, that no network can have."""
    for name in (field.name for field in fields(sizes)):
        value = getattr(sizes, name)
        if is_dataclass(value):
            _require_positive(value, f"{prefix}{name}.")
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int | float) and (number < 0 or (number == 0 and name not in MAY_BE_0)):
                least = "0 or more" if name in MAY_BE_0 else "above 0"
                raise ReaudioError(f"{prefix}{name} must be {least}, not {number}.")


TINY_CODEC = CodecConfig(
    seconds=0.64, vae_channels=(8, 8, 16), vae_layers=1, vae_norm_groups=4, latent_channels=4, vocoder_channels=32
)
TINY_CONDITION = ConditionConfig(
    clap_dim=16, mae_dim=24, mae_layers=4, mae_heads=2, mae_mlp=32, mae_frames=64, mae_bins=32, mae_patch=8,
    mae_pool=(4, 2), mae_mean=3, t5_dim=20, t5_length=8, t5_name="tiny",
)  # fmt: skip
# The bundled miniature: 2.56 s clips and the same parts, small enough for two CPU cores.
MINIATURE_CODEC = CodecConfig(
    seconds=2.56,
    vae_channels=(16, 48, 96, 128),
    vae_layers=1,
    vae_norm_groups=8,
    latent_channels=16,
    scaling_factor=1.0,
    vocoder_channels=96,
    vocoder_rates=(8, 5, 4),
    vocoder_kernels=(16, 15, 8),
    vocoder_resblock_kernels=(3, 7),
    vocoder_refinement=8,
)
MINIATURE_CONDITION = ConditionConfig(
    clap_dim=128, mae_dim=96, mae_layers=5, mae_heads=4, mae_mlp=256, mae_frames=256, mae_bins=64, mae_patch=8,
    mae_pool=(2, 2), mae_mean=3, t5_dim=64, t5_length=24, t5_name="miniature",
)  # fmt: skip
PRESETS: dict[str, ModelConfig] = {
    config.name: config
    for config in (
        ModelConfig("re-audioldm-s", base_channels=128),
        ModelConfig("re-audioldm-l", base_channels=192),
        ModelConfig(
            "miniature-s", base_channels=48, channel_multipliers=(1, 2), layers_per_block=1, head_width=16, norm_groups=8,
            codec=MINIATURE_CODEC, condition=MINIATURE_CONDITION,
        ),
        ModelConfig(
            "miniature-l", base_channels=64, channel_multipliers=(1, 2), layers_per_block=1, head_width=16, norm_groups=8,
            codec=MINIATURE_CODEC, condition=MINIATURE_CONDITION,
        ),
        # Every part of the architecture, small enough for tests.
        ModelConfig(
            "tiny", base_channels=16, channel_multipliers=(1, 2), layers_per_block=1, head_width=8, norm_groups=8,
            codec=TINY_CODEC, condition=TINY_CONDITION,
        ),
    )
}  # fmt: skip


def get_preset(
    name: str,
    *,
    retrieval: Retrieval | None = None,
    fusion: Fusion | None = None,
    k: int | None = None,
    base_channels: int | None = None,
    head_width: int | None = None,
) -> ModelConfig:
    """A preset with some values replaced.

    Raises:
        UnknownNameError: no such preset.
        ReaudioError: an impossible width.
    """
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    given = {"retrieval": retrieval, "fusion": fusion, "k": k, "base_channels": base_channels, "head_width": head_width}
    return replace(PRESETS[name], **{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]
