"""The denoiser as a CUDA graph.

For a small denoiser, launching kernels takes longer than running them; a captured graph launches them in one call and computes the
same numbers.
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
    """``unet(noisy, timesteps, conditioning)`` as a graph, captured in the first call, for training in float32 on a GPU.

    Args:
        unet: with its parameters on the GPU; their values may change between calls, but not their memory.
    """

    def __init__(self, unet: RetrievalUNet) -> None:
        self._unet = unet
        self._graph: Callable[..., Tensor] | None = None
        self._shapes: list[torch.Size] = []

    def __call__(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """See :meth:`reaudio_model.denoiser.unet.RetrievalUNet.forward`.

        Raises:
            ValueError: other shapes or fields than in the first call.
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
    """The denoiser with its conditioning as separate tensors, as a graph requires."""

    def __init__(self, unet: RetrievalUNet, names: tuple[str, ...]) -> None:
        super().__init__()
        self.unet, self.names = unet, names

    def forward(self, noisy: Tensor, timesteps: Tensor, *tensors: Tensor) -> Tensor:
        conditioning = Conditioning(**dict(zip(self.names, tensors, strict=True)))
        predicted: Tensor = self.unet(noisy, timesteps, conditioning)
        return predicted
