"""Core data types: pairs, neighbours and conditioning.

B is the number of prompts, k the number of retrieved pairs of each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

# Of a search: embeddings that a prompt is compared with, splits that are searched, and the search library.
Key = Literal["audio", "text", "mean"]
Pool = Literal["train", "train+val", "all"]
Backend = Literal["auto", "exact", "faiss"]


class Pair(NamedTuple):
    """A (text, audio) pair of a retrieval set.

    Attributes:
        clip_id: unique in the set.
        caption: its text.
        audio: its file, or None if only features are stored.
        source_id: the recording it was cut from (a youtube_id), for exclusion; "" if unknown.
        split: "train", "val", "test" or "".
    """

    clip_id: str
    caption: str
    audio: Path | None = None
    source_id: str = ""
    split: str = ""


class Neighbour(NamedTuple):
    """A retrieved pair. rank: from 0; similarity: cosine of the query with the key, in [-1, 1]."""

    pair: Pair
    rank: int
    similarity: float


@dataclass(frozen=True)
class Conditioning:
    """Conditioning of the denoiser, on one device and in one dtype.

    Attributes:
        text: float (B, clap_dim), unit norm: E^t, for the FiLM layers.
        audio: float (B, k * mae_tokens, mae_dim): E^ra, the pooled AudioMAE tokens of the retrieved clips, in rank order;
            None if the model does not retrieve.
        audio_mask: bool (B, k * mae_tokens), True for tokens to attend to; all False if nothing was retrieved.
        captions: float (B, k * t5_length, t5_dim): E^rt, the T5 tokens of the retrieved captions; None unless "audio+text".
            In a model with retrieval "prompt": (B, t5_length, t5_dim), the tokens of the prompt, and no audio.
        captions_mask: bool (B, k * t5_length).
    """

    text: Tensor
    audio: Tensor | None = None
    audio_mask: Tensor | None = None
    captions: Tensor | None = None
    captions_mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.text)

    def fields(self) -> dict[str, Tensor]:
        """The tensors that are not None, by name."""
        named = {name: getattr(self, name) for name in ("text", "audio", "audio_mask", "captions", "captions_mask")}
        return {name: value for name, value in named.items() if value is not None}

    def to(self, device: object = None, dtype: object = None) -> Conditioning:
        """A copy on another device or in another dtype; masks keep their dtype."""
        moved = {
            name: value.to(device=device, dtype=dtype if value.is_floating_point() else None)  # type: ignore[call-overload]
            for name, value in self.fields().items()
        }
        return replace(self, **moved)

    def rows(self, index: slice | list[int] | Tensor) -> Conditioning:
        """The conditioning of some of the prompts."""
        return replace(self, **{name: value[index] for name, value in self.fields().items()})


def concatenate(parts: list[Conditioning]) -> Conditioning:
    """Concatenate batches with the same fields and the same k.

    Raises:
        ValueError: fields differ.
    """
    import torch

    names = {tuple(part.fields()) for part in parts}
    if len(names) != 1:
        raise ValueError(f"cannot concatenate conditioning with different fields: {sorted(names)}")
    return Conditioning(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names.pop()})
