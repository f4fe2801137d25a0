"""What the input audit says of odd clips."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from reaudio_eval.features.audit import (
    FLAGS,
    ClipAudit,
    NetworkInput,
    audit_clip,
    audit_inputs,
    compare_clips,
    missing_clip,
    summarise,
)
from reaudio_eval.features.protocols import WaveformRule
from reaudio_eval.features.waveform import at_file_level
from reaudio_model.common.audio import DecodedAudio
from reaudio_model.common.errors import AudioError

RATE = 16_000


def audit(samples: npt.ArrayLike, clip_id: str = "a", sha256: str | None = None) -> ClipAudit:
    array = np.asarray(samples, dtype=np.float32)
    decoded = DecodedAudio(array if array.ndim == 2 else array[:, None], RATE)
    return audit_clip(clip_id, Path(f"{clip_id}.wav"), sha256 or clip_id, decoded)


def noise(seconds: float, seed: int = 0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * RATE))


def test_facts_of_a_plain_clip() -> None:
    wave = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)
    found = audit(np.stack([wave, wave], axis=1))
    assert (found.status, found.reason, found.flags) == ("ok", None, ())
    assert (found.sample_rate, found.channels, found.seconds) == (RATE, 2, 2.0)
    assert found.peak == pytest.approx(0.5)
    assert found.rms_db == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=1e-3)


def test_silence() -> None:
    silent = audit(np.zeros(2 * RATE))
    assert silent.flags == ("silent",)
    assert silent.rms_db is None
    assert audit(np.full(2 * RATE, 0.9e-4)).flags == ("silent",)
    assert audit(np.full(2 * RATE, 1.1e-4)).flags == ()


def heard_by(samples: npt.ArrayLike, *rules: WaveformRule, rate: int = RATE, embedder_rate: int = RATE) -> ClipAudit:
    decoded = DecodedAudio(np.asarray(samples, dtype=np.float32), rate)
    rules = rules or (WaveformRule(),)
    sounds = [NetworkInput(rule, embedder_rate, at_file_level(decoded, rule, embedder_rate)) for rule in rules]
    return audit_inputs(audit_clip("a", Path("a.wav"), "a", decoded), decoded, sounds)


MEAN = WaveformRule(mono="mean", remove_dc=False)


@pytest.mark.parametrize(
    ("samples", "rules", "said"),
    [
        (
            np.stack([np.zeros(RATE), noise(1)], axis=1),
            (WaveformRule(),),
            "The channel that the protocol uses, the first, is silent.",
        ),
        (
            np.stack([noise(1), -noise(1)], axis=1),
            (MEAN,),
            "Its channels cancel each other in the mean that the protocol uses.",
        ),
        (np.full((RATE, 1), 0.5), (WaveformRule(),), "Its samples are constant, which is no sound."),
        (
            np.concatenate([np.zeros(RATE), noise(2)])[:, None],
            (replace(MEAN, max_seconds=1.0),),
            "Its first 1 s, which the protocol uses, are silent.",
        ),
        (np.zeros((RATE, 2)), (WaveformRule(),), None),
    ],
)
def test_silence_in_what_a_network_gets(samples: npt.ArrayLike, rules: tuple[WaveformRule, ...], said: str | None) -> None:
    found = heard_by(samples, *rules)
    assert ("silent" in found.flags, found.reason) == (True, said)
    assert found.peak is not None
    assert found.peak < 1e-4


def test_silence_below_the_highest_frequency_of_a_network() -> None:
    ultrasonic = 0.5 * np.sin(2 * np.pi * 20_000 * np.arange(48_000) / 48_000) * np.hanning(48_000)
    found = heard_by(ultrasonic[:, None], rate=48_000)
    assert found.reason == "Below 8,000 Hz, the highest frequency that the protocol keeps, it is silent."
    assert heard_by(ultrasonic[:, None], rate=48_000, embedder_rate=48_000).flags == ()


def test_a_clip_that_one_of_several_networks_does_not_hear() -> None:
    right = np.stack([np.zeros(2 * RATE), noise(2)], axis=1)
    assert heard_by(right, MEAN).flags == ()
    assert heard_by(right, MEAN, WaveformRule()).flags == ("silent",)


def test_clipping_counts_in_the_channel_that_is_used() -> None:
    clipped = np.stack([noise(2), np.clip(8 * noise(2), -1, 1)], axis=1)
    assert heard_by(clipped, MEAN).flags == ("clipped",)
    assert heard_by(clipped, WaveformRule()).flags == ()


def test_a_truncated_file_says_why() -> None:
    decoded = DecodedAudio(np.full((2 * RATE, 1), 0.5, np.float32), RATE, "a", "its last page is missing")
    found = audit_inputs(
        audit_clip("a", Path("a.ogg"), "a", decoded),
        decoded,
        [NetworkInput(WaveformRule(), RATE, at_file_level(decoded, WaveformRule(), RATE))],
    )
    assert found.flags == ("truncated", "silent")
    assert found.reason == "The file is not whole: its last page is missing. Its samples are constant, which is no sound."


def test_clipping_needs_runs() -> None:
    wave = noise(2)
    wave[::100] = 1.0  # peaks alone, as peak normalisation leaves them
    assert audit(wave).flags == ()
    assert audit(np.clip(8 * noise(2), -1, 1)).flags == ("clipped",)
    alternating = np.tile([1.0, 0.0], 2 * RATE)
    both = np.stack([alternating, np.roll(alternating, 1)], axis=1)
    assert audit(both).flags == ()  # runs are within a channel
    few = noise(2)
    few[100:103] = 1.0
    assert audit(few).flags == ()
    assert audit([1.0, 1.0]).flags == ("short",)


def test_lengths() -> None:
    assert audit(noise(0.2)).flags == ("short",)
    assert audit(noise(1.0)).flags == ()
    assert audit(noise(60.1)).flags == ("long",)


def test_lengths_against_the_folder() -> None:
    lengths = {"a": 10.0, "b": 10.0, "c": 10.0, "d": 4.9, "e": 20.1, "f": 5.0, "g": 20.0}
    compared = compare_clips([audit(noise(s), k) for k, s in lengths.items()])
    assert {a.clip_id: a.flags for a in compared if a.flags} == {"d": ("short",), "e": ("long",)}


def test_duplicates_are_equal_bytes() -> None:
    clips = [audit(noise(2), "a", "same"), audit(noise(2), "b", "other"), audit(noise(2), "c", "same")]
    assert [a.flags for a in compare_clips(clips)] == [("duplicate",), (), ("duplicate",)]
    assert compare_clips([missing_clip("a"), missing_clip("b")]) == [missing_clip("a"), missing_clip("b")]


def test_unreadable_and_missing() -> None:
    bad = audit_clip("a", Path("a.wav"), None, AudioError("a.wav holds no samples."))
    assert (bad.status, bad.reason, bad.seconds, bad.flags) == ("unreadable", "a.wav holds no samples.", None, ())
    assert missing_clip("x").status == "missing"
    assert "'x'" in str(missing_clip("x").reason)


def test_json_round_trip() -> None:
    for entry in (audit(np.zeros(100)), missing_clip("x"), audit_clip("b", Path("b.wav"), "1", AudioError("no."))):
        assert ClipAudit.from_json(json.loads(json.dumps(entry.to_json(), allow_nan=False))) == entry


def test_summary_counts_and_lists_the_odd_ones() -> None:
    entries = [audit(noise(10, i), f"c{i}") for i in range(4)]
    entries += [audit(np.zeros(10 * RATE), "quiet"), audit(noise(0.2), "brief"), missing_clip("gone")]
    entries.append(audit_clip("bad", Path("bad.wav"), "0", AudioError("bad.wav cannot be decoded.")))
    summary = summarise(entries)
    counts = {key: summary[key] for key in ("n_clips", "n_ok", "n_unreadable", "n_missing")}
    assert counts == {"n_clips": 8, "n_ok": 6, "n_unreadable": 1, "n_missing": 1}
    assert summary["flags"] == {"silent": 1, "short": 1}
    assert summary["seconds"] == {"min": 0.2, "median": 10.0, "max": 10.0}
    assert (summary["sample_rates"], summary["channels"]) == ([RATE], [1])
    assert [c["clip_id"] for c in summary["clips"]] == ["quiet", "brief", "gone", "bad"]
    json.dumps(summary, allow_nan=False)


def test_summary_of_nothing_readable() -> None:
    assert summarise([missing_clip("a")])["seconds"] is None


def test_every_flag_is_explained_and_reached() -> None:
    clips = [audit(np.zeros(2 * RATE)), audit(np.ones(2 * RATE)), audit(noise(0.1)), audit(noise(61))]
    clips.append(audit_clip("t", Path("t.wav"), "t", DecodedAudio(np.ones((RATE, 1), np.float32), RATE, "t", "it is cut")))
    clips += [audit(noise(2), "x", "same"), audit(noise(2), "y", "same")]
    assert {flag for a in compare_clips(clips) for flag in a.flags} == set(FLAGS)
