"""Leaks: targets among the retrieved pairs.

The target clip itself, another clip of its recording, or a pair with its caption.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reaudio_model.common.naming import caption_key
from reaudio_model.retrieval.records import Neighbour, Pair


@dataclass(frozen=True)
class LeakReport:
    """Leaks in the neighbours of a set of prompts.

    Attributes:
        k: neighbours of each prompt that are checked.
        n_prompts: number of prompts.
        target, same_source, identical_caption: clip ids of the prompts whose first k neighbours include the target clip,
            a clip of the same recording (the target included), or a pair with the prompt's caption.
        max_similarity: the largest cosine of a prompt with a checked neighbour; None without neighbours.
        max_similarity_clip: the prompt it belongs to.
    """

    k: int
    n_prompts: int
    target: tuple[str, ...]
    same_source: tuple[str, ...]
    identical_caption: tuple[str, ...]
    max_similarity: float | None
    max_similarity_clip: str | None

    @cached_property
    def affected(self) -> frozenset[str]:
        """Prompts with any leak."""
        return frozenset(self.target + self.same_source + self.identical_caption)

    def proportion(self, clip_ids: Sequence[str]) -> float | None:
        """Proportion of the prompts, in [0, 1]; None without prompts."""
        return len(clip_ids) / self.n_prompts if self.n_prompts else None

    def to_json(self) -> dict[str, Any]:
        """Counts, proportions and clip ids of each kind."""
        kinds = {name: getattr(self, name) for name in ("target", "same_source", "identical_caption")}
        return {
            "k": self.k,
            "n_prompts": self.n_prompts,
            "n_affected": len(self.affected),
            **{name: {"n": len(ids), "share": self.proportion(ids), "clip_ids": list(ids)} for name, ids in kinds.items()},
            "max_similarity": self.max_similarity,
            "max_similarity_clip": self.max_similarity_clip,
        }

    def to_text(self) -> str:
        """The report in one or two sentences."""
        kinds = {"the target clip": self.target, "its recording": self.same_source, "its caption": self.identical_caption}
        counts = ", ".join(f"{what} for {len(ids)} ({self.proportion(ids) or 0:.1%})" for what, ids in kinds.items())
        nearest = "" if self.max_similarity is None else f" Largest cosine {self.max_similarity:.3f}."
        return f"Of {self.n_prompts} prompts, the first {self.k} neighbours include {counts}.{nearest}"


def leak_report(prompts: Sequence[Pair], retrieved: Sequence[Sequence[Neighbour]], k: int) -> LeakReport:
    """Check the first ``k`` neighbours of each prompt.

    Args:
        prompts: clip_id, caption and, if known, source_id of each.
        retrieved: neighbours of each prompt, in the order of ``prompts``.
        k: checks ranks 0 to k - 1; at least 1.

    Raises:
        ValueError: another number of lists than of prompts, or k below 1.
    """
    if len(prompts) != len(retrieved) or k < 1:
        raise ValueError(f"{len(prompts)} prompts, neighbours of {len(retrieved)}, k {k}")
    used = [[found for found in neighbours if found.rank < k] for neighbours in retrieved]

    def affected(leaks: Callable[[Pair, Pair], bool]) -> tuple[str, ...]:
        together = zip(prompts, used, strict=True)
        return tuple(prompt.clip_id for prompt, found in together if any(leaks(prompt, n.pair) for n in found))

    similarities = [(n.similarity, prompt.clip_id) for prompt, found in zip(prompts, used, strict=True) for n in found]
    largest, clip_id = max(similarities, key=lambda item: item[0], default=(None, None))
    return LeakReport(
        k=k,
        n_prompts=len(prompts),
        target=affected(lambda prompt, pair: prompt.clip_id == pair.clip_id),
        same_source=affected(lambda prompt, pair: prompt.source_id != "" and prompt.source_id == pair.source_id),
        identical_caption=affected(lambda prompt, pair: caption_key(prompt.caption) == caption_key(pair.caption)),
        max_similarity=largest,
        max_similarity_clip=clip_id,
    )
