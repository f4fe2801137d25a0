"""The denoiser as a CUDA graph: its many small kernels are launched at once, forward and backward.

A small denoiser keeps a GPU waiting for the CPU that launches its kernels; a captured graph launches them all in one call and computes
the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from reaudio_model.retrieval.records import Conditioning

if TYPE_CHECKING:
    from reaudio_model.denoiser.unet import RetrievalUNet


class GraphedDenoiser:
    """``unet(noisy, timesteps, conditioning)`` by a graph that is captured at the first call, for training in float32 on a GPU.

    Args:
        unet: with its parameters on the GPU; their values may change between calls, their places may not.
    """

    def __init__(self, unet: RetrievalUNet) -> None:
        self._unet = unet
        self._graph: Callable[..., Tensor] | None = None
        self._shapes: list[torch.Size] = []

    def __call__(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """See :meth:`reaudio_model.denoiser.unet.RetrievalUNet.forward`.

        Raises:
            ValueError: shapes other than those of the first call, or groups of conditions that were not there.
        """
        fields = conditioning.fields()
        tensors = (noisy, timesteps, *fields.values())
        if self._graph is None:
            self._shapes = [tensor.shape for tensor in tensors]
            flat = _Flat(self._unet, tuple(fields))
            sample = tuple(tensor.clone() for tensor in tensors)
            self._graph = cast(
                "Callable[..., Tensor]", torch.cuda.make_graphed_callables(flat, sample, allow_unused_input=True)
            )
        if [tensor.shape for tensor in tensors] != self._shapes:
            raise ValueError("a captured denoiser takes batches of one shape")
        return self._graph(*tensors)


class _Flat(nn.Module):
    """The denoiser with its conditions as separate tensors, as a graph needs them."""

    def __init__(self, unet: RetrievalUNet, names: tuple[str, ...]) -> None:
        super().__init__()
        self.unet, self.names = unet, names

    def forward(self, noisy: Tensor, timesteps: Tensor, *tensors: Tensor) -> Tensor:
        conditioning = Conditioning(**dict(zip(self.names, tensors, strict=True)))
        predicted: Tensor = self.unet(noisy, timesteps, conditioning)
        return predicted
