"""Differences of protocols: every convention has words, and only those that a metric depends on are named."""

from __future__ import annotations

import dataclasses

from reaudio_eval.features.differences import _PROTOCOL_WORDS, _RULE_WORDS, protocol_differences, rule_differences
from reaudio_eval.features.embedders import panns, panns_inference, vggish
from reaudio_eval.features.protocols import PROTOCOLS, Protocol, WaveformRule, get_protocol

DEFAULT = get_protocol("audioldm-eval-2023-06")
IDENTITY = {
    "name",
    "description",
    "source",
    "waveform",
    "per_embedder",
    "sample_rates",
}  # compared otherwise, or no convention


def test_every_field_has_words() -> None:
    assert {f.name for f in dataclasses.fields(WaveformRule)} == set(_RULE_WORDS)
    assert {f.name for f in dataclasses.fields(Protocol)} - IDENTITY == set(_PROTOCOL_WORDS)


def test_words_of_a_rule() -> None:
    first = WaveformRule(min_samples=32_000)
    second = WaveformRule("mean", False, "soxr_hq", (32_000, 48_000), -1.0, True, 10.0)
    assert list(map(str, rule_differences(first, second))) == [
        "the channel mean instead of the first channel",
        "DC kept instead of DC removed",
        "librosa's resampler (soxr) instead of torchaudio's resampler (Hann sinc)",
        "by way of 32000 Hz and 48000 Hz instead of straight to the rate",
        "the peak at -1 dB instead of the level of the file",
        "16 bits instead of no rounding to 16 bits",
        "the first 10 s instead of the whole clip",
        "no zeros at the end instead of zeros up to 32000 samples",
    ]
    assert rule_differences(first, first) == []


def test_when_zeros_are_added_matters_only_where_both_add_some() -> None:
    late, early = WaveformRule(min_samples=32_000), WaveformRule(min_samples=32_000, pad_rate=32_000)
    assert [d.field for d in rule_differences(late, early)] == ["pad_rate"]
    assert [d.field for d in rule_differences(WaveformRule(), early)] == ["min_samples"]


def test_a_metric_has_the_conventions_that_it_depends_on() -> None:
    def fields(protocol: str, metric: str) -> list[str]:
        return [d.field for d in protocol_differences(DEFAULT, get_protocol(protocol), "panns", panns.PLUGIN.spec, metric)]

    assert fields("av-benchmark", "kl_panns") == ["mono", "max_seconds", "min_samples", "kl_epsilon"]
    assert fields("av-benchmark", "fd_panns") == ["mono", "max_seconds", "min_samples"]
    assert fields("audioldm-eval-2023-06-32k", "fd_panns") == ["sample_rates"]
    assert "kl_direction" in fields("stable-audio-metrics", "kl_panns")
    assert "clap_checkpoint" not in fields("stable-audio-metrics", "kl_panns")


def test_an_embedder_of_a_package_has_the_conventions_of_its_network() -> None:
    other = get_protocol("audioldm-eval-2023-06-32k")
    found = protocol_differences(DEFAULT, other, "panns_inference", panns_inference.PLUGIN.spec, "fd_panns_inference")
    assert [str(d) for d in found] == ["32000 Hz instead of 16000 Hz"]


def test_a_protocol_does_not_differ_from_itself() -> None:
    for protocol in PROTOCOLS.values():
        assert protocol_differences(protocol, protocol, "vggish", vggish.PLUGIN.spec, "fad_vggish") == []
