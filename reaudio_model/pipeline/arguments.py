"""Checking the arguments of a pipeline call."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.files import check_text
from reaudio_model.config import Retrieval
from reaudio_model.pipeline.candidates import candidate_generators
from reaudio_model.retrieval.records import Conditioning, Neighbour

if TYPE_CHECKING:
    from reaudio_model.conditioning.feature_store import FeatureStore
    from reaudio_model.encoders.clap import Clap

OutputType = Literal["np", "pt", "latent"]

Generators = torch.Generator | list[torch.Generator]
SMALLEST_SEED, LARGEST_SEED = -(2**63), 2**64 - 1  # of torch


def texts(name: str, value: str | Sequence[str] | None) -> list[str]:
    """One text or several as a list; empty for None.

    Raises:
        ReaudioError: anything else.
    """
    if value is None:
        return []
    found = [value] if isinstance(value, str) else _items(value)
    if found is None or not all(isinstance(each, str) for each in found):
        raise ReaudioError(f"{name} must be a text or a list of texts, not {value!r}.")
    for each in found:
        check_text(each)
    return [str(each) for each in found]


def negative_texts(value: str | Sequence[str] | None, prompts: int) -> list[str] | None:
    """A negative text for each prompt, one text for all, or None; an empty text is the null as it is.

    Raises:
        ReaudioError: another type, or another number than of prompts.
    """
    if value is None:
        return None
    found = texts("negative_prompt", value)
    if len(found) not in (1, prompts):
        raise ReaudioError(
            f"There are {prompts} prompts, but {len(found)} negative prompts: give one for each, or one text for all."
        )
    return found * prompts if len(found) == 1 else found


def seed_list(value: int | Sequence[int] | None, prompts: int) -> list[int] | None:
    """A seed for each prompt, or None. A number alone is the seed of one prompt; arrays and tensors are lists.

    Raises:
        ReaudioError: no whole numbers, out of range, or another number of them than of prompts.
    """
    if value is None:
        return None
    found: list[Any] | None = [value] if _is_whole(value) else _items(value)
    if found is None or not all(map(_is_whole, found)):
        raise ReaudioError(f"seeds must be whole numbers, one for each prompt, not {value!r}.")
    seeds = [int(each) for each in found]
    if len(seeds) != prompts:
        raise ReaudioError(f"There are {prompts} prompts, but {len(seeds)} seeds: give one for each.")
    for seed in seeds:
        if not SMALLEST_SEED <= seed <= LARGEST_SEED:
            raise ReaudioError(f"A seed must be between -2^63 and 2^64 - 1, not {seed}.")
    return seeds


def generator_list(value: Generators | Sequence[torch.Generator] | None, clips: int) -> Generators | None:
    """One generator, or a list with one for each clip.

    Raises:
        ReaudioError: another type, or another number of them than of clips.
    """
    if value is None or isinstance(value, torch.Generator):
        return value
    found = _items(value)
    if found is None or not all(isinstance(each, torch.Generator) for each in found):
        raise ReaudioError(f"generator must be a torch.Generator or a list of them, not {value!r}.")
    if len(found) != clips:
        raise ReaudioError(f"There are {clips} clips, but {len(found)} generators: give one for each.")
    return found


def finite(name: str, value: Any) -> float:
    """A number that is neither NaN nor infinite.

    Raises:
        ReaudioError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ReaudioError(f"{name} must be a finite number, not {value!r}.")
    return float(value)


def whole(name: str, value: Any, least: int | None = None) -> int:
    """A whole number, of at least ``least``.

    Raises:
        ReaudioError: anything else.
    """
    if not _is_whole(value):
        raise ReaudioError(f"{name} must be a whole number, not {value!r}.")
    if least is not None and value < least:
        raise ReaudioError(f"{name} must be {least} or more, not {value}.")
    return int(value)


def clip_noise(
    generator: Generators | Sequence[torch.Generator] | None, seeds: int | Sequence[int] | None, prompts: int, n: int
) -> Generators | None:
    """The generators of the noise: those given, or one for each clip by the seeds; n: candidates of a prompt.

    Raises:
        ReaudioError: both are given, or see :func:`seed_list` and :func:`generator_list`.
    """
    if generator is not None and seeds is not None:
        raise ReaudioError("generator and seeds both set the noise: give one of them.")
    wanted = seed_list(seeds, prompts)
    return generator_list(generator, prompts * n) if wanted is None else candidate_generators(wanted, n)


def check_options(n: int, reranker: Clap | None, prompts: list[str], output_type: str) -> None:
    """Refuse options that a call cannot have.

    Raises:
        ReaudioError: no candidate, an unknown type of output, or a reranker without prompts or audio.
    """
    whole("num_waveforms_per_prompt", n, least=1)
    if output_type not in get_args(OutputType):
        raise UnknownNameError("output_type", output_type, get_args(OutputType))
    if reranker is not None and not hasattr(reranker, "embed_audio"):
        raise ReaudioError(f"reranker must be a CLAP of load_clap, not {reranker!r}.")
    if reranker is not None and (not prompts or output_type == "latent"):
        raise ReaudioError("A reranker compares audio with prompts: give prompts, and another output_type than 'latent'.")


def check_sources(
    prompts: list[str],
    retrieved: Sequence[Sequence[Neighbour]] | None,
    k: int | None,
    retrieval: Retrieval | None,
    features: FeatureStore | None,
    conditioning: Conditioning | None,
) -> None:
    """Refuse arguments that would have no effect.

    Raises:
        ReaudioError: conditioning beside what it replaces, or of another number of rows than of prompts.
    """
    given = {"retrieved": retrieved, "k": k, "retrieval": retrieval, "features": features}
    idle = [name for name, value in given.items() if value is not None]
    if conditioning is not None and idle:
        raise ReaudioError(f"conditioning takes the place of {' and '.join(idle)}: leave one or the other out.")
    if conditioning is not None and not isinstance(conditioning, Conditioning):
        raise ReaudioError(f"conditioning must be a Conditioning, not {conditioning!r}.")
    if features is not None and retrieved is None:
        raise ReaudioError("features are those of retrieved pairs: give retrieved too, or leave them out.")
    if retrieved is not None and not _are_neighbours(retrieved):
        raise ReaudioError("retrieved must be a list of neighbours for each prompt, as RetrievalIndex.search returns them.")
    if conditioning is not None and prompts and len(prompts) != len(conditioning):
        raise ReaudioError(f"There are {len(prompts)} prompts, but conditioning of {len(conditioning)}: one row for each.")


def check_modes(parts: Mapping[str, Any]) -> None:
    """Refuse networks in training mode, which drop values at random and change their statistics.

    Raises:
        ReaudioError: there is one; the message names it.
    """
    for name, part in parts.items():
        if isinstance(part, torch.nn.Module) and part.training:
            raise ReaudioError(
                f"The part {name} is in training mode, in which it gives other values: call pipeline.{name}.eval()."
            )


def _are_neighbours(retrieved: Any) -> bool:
    rows = _items(retrieved)
    return rows is not None and all(
        isinstance(row, list | tuple) and all(isinstance(each, Neighbour) for each in row) for row in rows
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _items(value: Any) -> list[Any] | None:
    """The items of a list, tuple, array or tensor of one dimension; None for anything else."""
    if isinstance(value, list | tuple):
        return list(value)
    if hasattr(value, "tolist"):  # NumPy, torch and pandas
        found = value.tolist()
        return found if isinstance(found, list) else [found]
    return None
