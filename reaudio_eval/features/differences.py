"""Differences of two waveform rules or protocols, field by field."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from reaudio_eval.features.embedders import EmbedderSpec
from reaudio_eval.features.protocols import Protocol, WaveformRule


class Difference(NamedTuple):
    """A convention in which two protocols differ. field: name in the dataclass; first, second: its values, in words."""

    field: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.second} instead of {self.first}"


_RESAMPLERS = {
    "sinc_hann": "torchaudio's resampler (Hann sinc)",
    "sinc_kaiser": "fadtk's resampler (Kaiser sinc)",
    "soxr_hq": "librosa's resampler (soxr)",
}
# Field -> its value in words; a field that is not here is no convention.
_RULE_WORDS: Mapping[str, Callable[[Any], str]] = {
    "mono": lambda value: "the first channel" if value == "first" else "the channel mean",
    "remove_dc": lambda value: "DC removed" if value else "DC kept",
    "resampler": lambda value: _RESAMPLERS.get(value, f"the resampler {value}"),
    "rates": lambda value: f"by way of {' and '.join(f'{rate} Hz' for rate in value)}" if value else "straight to the rate",
    "peak_db": lambda value: "the level of the file" if value is None else f"the peak at {value:g} dB",
    "int16": lambda value: "16 bits" if value else "no rounding to 16 bits",
    "max_seconds": lambda value: "the whole clip" if value is None else f"the first {value:g} s",
    "min_samples": lambda value: f"zeros up to {value} samples" if value else "no zeros at the end",
    "pad_rate": lambda value: "zeros added last" if value is None else f"zeros added at {value} Hz",
}
_PROTOCOL_WORDS: Mapping[str, Callable[[Any], str]] = {
    "clap_checkpoint": str,
    "kl_epsilon": lambda value: f"{value:g} added inside the logarithm" if value else "the exact logarithm",
    "kl_direction": lambda value: "KL({}, {})".format(*value.split("_")),
    "is_splits": lambda value: f"{value} splits",
    "is_seed": lambda value: f"splits by the seed {value}",
}
# Conventions that only metrics of a kind depend on: field -> first part of the metric's name.
_ONLY = {"kl_epsilon": "kl", "kl_direction": "kl", "is_splits": "is", "is_seed": "is"}


def rule_differences(first: WaveformRule, second: WaveformRule) -> list[Difference]:
    """Fields in which two rules differ, in the order in which they are applied; where nothing is padded, when to pad is none."""
    pads = first.min_samples > 0 and second.min_samples > 0
    return [d for d in _differences(first, second, _RULE_WORDS) if pads or d.field != "pad_rate"]


def protocol_differences(
    first: Protocol, second: Protocol, embedder: str, spec: EmbedderSpec, metric: str
) -> list[Difference]:
    """Conventions of two protocols that a metric of an embedder depends on, and in which they differ.

    Args:
        first, second: protocols.
        embedder: registered name; that of ``spec.same_as`` counts where it is set.
        spec: of the embedder.
        metric: full name, "kl_panns".
    """
    name = spec.same_as or embedder
    rates = [protocol.sample_rates.get(name, spec.sample_rates[0]) for protocol in (first, second)]
    found = [Difference("sample_rates", f"{rates[0]} Hz", f"{rates[1]} Hz")] if rates[0] != rates[1] else []
    files = [protocol.checkpoint(name) for protocol in (first, second)]
    conventions = {"clap_checkpoint"} if files[0] != files[1] else set()
    conventions |= {field for field, kind in _ONLY.items() if metric.startswith(f"{kind}_")}
    found += rule_differences(first.rule(name), second.rule(name))
    return found + [d for d in _differences(first, second, _PROTOCOL_WORDS) if d.field in conventions]


def _differences(first: Any, second: Any, words: Mapping[str, Callable[[Any], str]]) -> Iterator[Difference]:
    for field in dataclasses.fields(first):
        one, other = getattr(first, field.name), getattr(second, field.name)
        if field.name in words and one != other:
            yield Difference(field.name, words[field.name](one), words[field.name](other))
