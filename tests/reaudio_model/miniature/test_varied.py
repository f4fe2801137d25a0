"""Clips at other speeds: of the right length, faster and slower by what their id says, and never their own
original's neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from reaudio_model.common.errors import ReaudioError
from reaudio_model.miniature import materials
from reaudio_model.miniature.varied import SPEEDS, original, render_varied, speed, varied_ids
from reaudio_model.miniature.world import CLIP_SAMPLES, clip_ids, render


def test_every_training_clip_has_a_slower_and_a_faster_one_and_no_other_clip_has() -> None:
    ids = varied_ids()
    assert len(set(ids)) == len(ids) == 2 * len(clip_ids("train"))
    assert {original(clip_id) for clip_id in ids} == set(clip_ids("train"))
    for name, (low, high) in SPEEDS.items():
        speeds = [speed(clip_id) for clip_id in ids if clip_id.endswith(name)]
        assert low <= min(speeds) < low + 0.01
        assert high - 0.01 < max(speeds) <= high
        assert speeds == [round(value, 2) for value in speeds]


@pytest.mark.parametrize("name", SPEEDS)
def test_a_clip_is_on_the_16_bit_grid_and_fills_its_length(name: str) -> None:
    sound = render_varied(f"train-000003@{name}")
    assert sound.dtype == np.float32
    assert sound.shape == (CLIP_SAMPLES,)
    assert np.array_equal(sound * 2**15, np.round(sound * 2**15))
    assert np.abs(sound).max() <= 1.0
    assert np.abs(sound[-CLIP_SAMPLES // 10 :]).max() > 0.0, "silence at the end"


def test_a_clip_of_the_world_is_left_as_it_is() -> None:
    assert np.array_equal(render_varied("test-000000"), render("test-000000"))
    assert speed("test-000000") == 1.0


def test_a_tone_is_shifted_by_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    time = np.arange(CLIP_SAMPLES) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    monkeypatch.setattr("reaudio_model.miniature.varied.render", lambda clip_id: tone)
    for clip_id in ("train-000001@slow", "train-000001@fast"):
        spectrum = np.abs(np.fft.rfft(render_varied(clip_id)))
        frequency = spectrum.argmax() * 16_000 / CLIP_SAMPLES
        assert frequency == pytest.approx(1000 * speed(clip_id), abs=0.5)  # a bin is 0.39 Hz wide


def test_a_pair_keeps_caption_and_recording_of_its_original() -> None:
    own, varied = materials.pair("train-000007"), materials.pair("train-000007@fast")
    assert varied.clip_id == "train-000007@fast"
    assert (varied.caption, varied.source_id, varied.split) == (own.caption, own.source_id, "train")


def test_unknown_marks_and_clips_are_refused() -> None:
    with pytest.raises(ReaudioError, match="one of slow, fast"):
        render_varied("train-000000@backwards")
    with pytest.raises(ReaudioError, match="no clip"):
        render_varied("train-999999@slow")
