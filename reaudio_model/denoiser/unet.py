"""The denoiser: a UNet with FiLM and cross-attention.

arXiv 2309.08051 section 2.3; layers and sizes are those of the authors' framework (AudioLDM-training-finetuning,
``openaimodel.py``), built on diffusers' ``AudioLDM2UNet2DConditionModel``, which reproduces that network to 9e-6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, NamedTuple, get_args
from weakref import WeakKeyDictionary

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.pipelines.audioldm2.modeling_audioldm2 import AudioLDM2UNet2DConditionModel
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from reaudio_model.common.errors import UnknownNameError
from reaudio_model.config import Fusion, ModelConfig, Retrieval, reads_text, retrieves
from reaudio_model.retrieval.records import Conditioning


class Tokens(NamedTuple):
    """Input of a cross-attention. values: float (B, n, width); mask: bool (B, n), True for tokens to attend to."""

    values: Tensor
    mask: Tensor


# Threads with one network wait for each other in ``cached``; a lock in the network itself could be neither copied nor saved.
_LOCKS: WeakKeyDictionary[nn.Module, RLock] = WeakKeyDictionary()


class RetrievalUNet(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Predicts the noise in latents, conditioned on the prompt (E^t) and on retrieved pairs (E^ra, E^rt).

    E^t passes a linear layer and is concatenated with the timestep embedding in every ResNet block (FiLM). The first level has no
    attention; each attention of the others consists of, in this order:

    ========== ========================================= ====================================================
    retrieval  fusion "serial" (authors' framework)      fusion "joint"
    ========== ========================================= ====================================================
    none       self-attention                            the same
    audio      self-attention, cross(E^ra)               cross(E^ra)
    audio+text self-attention, cross(E^ra), cross(E^rt)  cross([E^ra, E^rt projected to the width of E^ra])
    prompt     self-attention, cross(T5 of the prompt)   cross(T5 of the prompt)
    ========== ========================================= ====================================================

    where each is a transformer of self-attention, (cross-)attention and feed-forward layer.

    A token whose mask is False has no influence. If all tokens of a prompt are masked, or if there are none (k = 0), cross-attention
    attends to one token of zeros, which is the authors' unconditional E^ra.

    Args:
        latent_channels: of input and output.
        sample_size: time steps of a full latent, for information; latents may have any length.
        channels: widths of the levels.
        layers_per_block: ResNet blocks in a level.
        head_width: channels in an attention head.
        norm_groups: GroupNorm groups.
        retrieval: "none", "audio", "audio+text" or "prompt".
        fusion: "serial" or "joint".
        clap_dim, mae_dim, t5_dim: widths of E^t, E^ra, E^rt.

    Raises:
        UnknownNameError: another ``retrieval`` or ``fusion``.
    """

    _supports_gradient_checkpointing = True

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        latent_channels: int = 8,
        sample_size: int = 256,
        channels: tuple[int, ...] = (128, 256, 384, 640),
        layers_per_block: int = 2,
        head_width: int = 32,
        norm_groups: int = 32,
        retrieval: Retrieval = "audio+text",
        fusion: Fusion = "serial",
        clap_dim: int = 512,
        mae_dim: int = 768,
        t5_dim: int = 1024,
    ) -> None:
        super().__init__()
        for kind, name, known in (("retrieval", retrieval, Retrieval), ("fusion", fusion, Fusion)):
            if name not in get_args(known):
                raise UnknownNameError(kind, name, get_args(known))
        levels = len(channels)
        self.unet = AudioLDM2UNet2DConditionModel(
            sample_size=sample_size,
            in_channels=latent_channels,
            out_channels=latent_channels,
            down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * (levels - 1),
            up_block_types=("CrossAttnUpBlock2D",) * (levels - 1) + ("UpBlock2D",),
            block_out_channels=tuple(channels),
            layers_per_block=layers_per_block,
            norm_num_groups=norm_groups,
            cross_attention_dim=(context_widths(retrieval, fusion, mae_dim, t5_dim),) * levels,
            attention_head_dim=tuple(width // head_width for width in channels),  # diffusers means the number of heads
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=clap_dim,
            class_embeddings_concat=True,
        )
        joint_text = fusion == "joint" and retrieval == "audio+text"
        self.project_captions = nn.Linear(t5_dim, mae_dim) if joint_text else None
        self._cached: tuple[Conditioning, list[Tokens]] | None = None

    def forward(self, latents: Tensor, timestep: Tensor | int, conditioning: Conditioning) -> Tensor:
        """The predicted noise.

        Args:
            latents: float (B, latent_channels, time, frequency), in the model's dtype.
            timestep: of the diffusion, in [0, 1000): an int, a tensor without dimensions, or one of shape (B,).
            conditioning: of the same B prompts, in the model's dtype, with the fields that ``retrieval`` requires.

        Returns:
            float, the shape of ``latents``.

        Raises:
            ValueError: another number of prompts, or a field that is missing or not used by this model.
        """
        if len(conditioning) != len(latents):
            raise ValueError(f"{len(latents)} latents need as many prompts, not {len(conditioning)}")
        arguments: dict[str, Tensor | None] = {"encoder_hidden_states": None}
        for suffix, tokens in zip(("", "_1"), self._contexts(conditioning), strict=False):
            arguments[f"encoder_hidden_states{suffix}"] = tokens.values
            arguments[f"encoder_attention_mask{suffix}"] = tokens.mask
        sample: Tensor = self.unet(latents, timestep, class_labels=conditioning.text, return_dict=False, **arguments)[0]
        return sample

    def _contexts(self, conditioning: Conditioning) -> list[Tokens]:
        """Inputs of the cross-attentions at one place, in order."""
        if self._cached is not None and self._cached[0] is conditioning:
            return self._cached[1]
        retrieval = self.config["retrieval"]
        groups = [
            self._group(conditioning, "audio", retrieves(retrieval)),
            self._group(conditioning, "captions", reads_text(retrieval)),
        ]
        contexts = [group for group in groups if group is not None]
        if self.project_captions is not None:
            audio, captions = contexts
            values = torch.cat([audio.values, self.project_captions(captions.values)], dim=1)
            contexts = [Tokens(values, torch.cat([audio.mask, captions.mask], dim=1))]
        return [_without_masked(tokens) for tokens in contexts]

    def _group(self, conditioning: Conditioning, name: str, needed: bool) -> Tokens | None:
        values: Tensor | None = getattr(conditioning, name)
        if needed != (values is not None):
            problem = "is missing" if needed else "was given"
            raise ValueError(f"the denoiser has retrieval={self.config['retrieval']!r}, but conditioning.{name} {problem}")
        if values is None:
            return None
        mask: Tensor | None = getattr(conditioning, f"{name}_mask")
        return Tokens(values, torch.ones_like(values[..., 0], dtype=torch.bool) if mask is None else mask)

    @contextmanager
    def cached(self, conditioning: Conditioning) -> Iterator[None]:
        """In the block, calls with this object reuse the keys and values of its tokens.

        For sampling: the tokens and their projections get no gradient. Calls with other conditioning are not affected. Another
        thread waits until the block ends.
        Memory: two numbers per token, channel and cross-attention (S, k=10, float16: 23 MB a prompt).

        Args:
            conditioning: as for :meth:`forward`, including the unconditional rows of guidance.
        """
        with _LOCKS.setdefault(self, RLock()):
            before = self._cached
            contexts, constants = self._constants(conditioning)
            self._cached = conditioning, contexts
            for attention, key, value in constants:
                attention.to_k, attention.to_v = key, value
            try:
                yield
            finally:
                self._cached = before
                for attention, key, value in constants:
                    attention.to_k, attention.to_v = key.linear, value.linear

    @apply_forward_hook  # type: ignore[untyped-decorator]  # an offloaded model is moved to its device first
    @torch.no_grad()
    def _constants(self, conditioning: Conditioning) -> tuple[list[Tokens], list[tuple[Any, _Constant, _Constant]]]:
        """The contexts, and each cross-attention with its keys and values."""
        contexts = self._contexts(conditioning)
        constants = []
        for block in _attention_blocks(self.unet):
            for index, transformer in enumerate(block.attentions):
                if (tokens := self._context_of(index, contexts)) is not None:
                    attention = transformer.transformer_blocks[0].attn2
                    key, value = (_Constant(linear, tokens.values) for linear in (attention.to_k, attention.to_v))
                    constants.append((attention, key, value))
        return contexts, constants

    def _context_of(self, index: int, contexts: list[Tokens]) -> Tokens | None:
        """The tokens that the transformer at ``index`` in its block attends to; None for self-attention."""
        widths = self.unet.config.cross_attention_dim[0]
        place = index % len(widths)
        return None if widths[place] is None else contexts[place - widths.count(None)]

    def enable_gradient_checkpointing(self, gradient_checkpointing_func: Callable[..., Any] | None = None) -> None:
        """Recompute activations in the backward pass; gradients stay the same.

        Args:
            gradient_checkpointing_func: instead of :func:`checkpoint_by_name`.
        """
        super().enable_gradient_checkpointing(gradient_checkpointing_func or checkpoint_by_name)
        for module in self.modules():
            if isinstance(module, Transformer2DModel):
                module.gradient_checkpointing = False  # already recomputed as a whole

    def zero_outputs(self) -> None:
        """Initialise as in the authors' framework: each residual branch and the prediction start at zero.

        Source: AudioLDM-training-finetuning, ``openaimodel.py`` (``zero_module``).
        """
        last = [module.conv2 for module in self.modules() if isinstance(module, ResnetBlock2D)]
        last += [module.proj_out for module in self.modules() if isinstance(module, Transformer2DModel)]
        for layer in (*last, self.unet.conv_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)


def build_unet(config: ModelConfig) -> RetrievalUNet:
    """The denoiser of a preset, with random weights (call :meth:`RetrievalUNet.zero_outputs` before training).

    Parameters: 351.5 M (S) and 771.3 M (L) with fusion "serial", 188.8 M and 416.3 M with "joint".
    """
    latent_channels, frames, _ = config.codec.latent_shape
    unet: RetrievalUNet = RetrievalUNet(
        latent_channels=latent_channels,
        sample_size=frames,
        channels=config.channels,
        layers_per_block=config.layers_per_block,
        head_width=config.head_width,
        norm_groups=config.norm_groups,
        retrieval=config.retrieval,
        fusion=config.fusion,
        clap_dim=config.condition.clap_dim,
        mae_dim=config.condition.mae_dim,
        t5_dim=config.condition.t5_dim,
    )
    return unet


def context_widths(retrieval: Retrieval, fusion: Fusion, mae_dim: int, t5_dim: int) -> tuple[int | None, ...]:
    """Widths of the contexts of the transformers at one place; None is self-attention.

    The leading None of "serial" is required: diffusers passes the first group to contexts 0 and 1 and the second to later ones.
    """
    if retrieval == "none":
        return (None,)
    if retrieval == "prompt":
        return (t5_dim,) if fusion == "joint" else (None, t5_dim)
    if fusion == "joint":
        return (mae_dim,)
    return (None, mae_dim) if retrieval == "audio" else (None, mae_dim, t5_dim)


def checkpoint_by_name(module: nn.Module, *arguments: Any) -> Any:
    """Gradient checkpointing that supports masks.

    diffusers passes Transformer2DModel its arguments by position in a wrong order, so that the mask of the tokens would reach the
    self-attention (diffusers 0.42.1, issue 13602); here they are passed by name.
    """
    if not isinstance(module, Transformer2DModel):
        return checkpoint(module, *arguments, use_reentrant=False)
    names = (
        "hidden_states", "encoder_hidden_states", "timestep", "class_labels", "cross_attention_kwargs", "attention_mask",
        "encoder_attention_mask",
    )  # fmt: skip
    return checkpoint(module, use_reentrant=False, return_dict=False, **dict(zip(names, arguments, strict=True)))


class _Constant(nn.Module):
    """A linear layer whose output for ``tokens`` is computed once."""

    def __init__(self, linear: nn.Module, tokens: Tensor) -> None:
        super().__init__()
        self.linear, self.tokens, self.output = linear, tokens, linear(tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        output: Tensor = self.output if tokens is self.tokens else self.linear(tokens)
        return output


def _attention_blocks(unet: AudioLDM2UNet2DConditionModel) -> list[Any]:
    blocks = (*unet.down_blocks, unet.mid_block, *unet.up_blocks)
    return [block for block in blocks if hasattr(block, "attentions")]


def _without_masked(tokens: Tokens) -> Tokens:
    """Set masked tokens to zero: there is no bias, so if all are masked the attention is zero, not their mean.

    diffusers' masks only add -1e4 to the scores, which softmax cancels if it is added to all of them.
    """
    values, mask = tokens
    if values.shape[1] == 0:
        values, mask = values.new_zeros(len(values), 1, values.shape[2]), mask.new_zeros(len(values), 1)
    return Tokens(values.masked_fill(~mask[..., None], 0), mask)
