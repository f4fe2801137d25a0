"""The equaliser after the vocoder: it brings the log-mel near, keeps what is right, and lets nothing else change."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reaudio_model.codec.mel import log_mel
from reaudio_model.codec.refinement import match_mel
from reaudio_model.config import MelConfig
from reaudio_model.miniature import world

MEL = MelConfig()
SETTLED = 0.03  # nepers: what overlapping frames of a sound that needs no correction still move in four iterations


def clips(n: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.stack([0.5 * world.render(clip_id) for clip_id in world.clip_ids("test")[: 40 * n : 40]]))


def distance(waveform: torch.Tensor, mel: torch.Tensor) -> float:
    return float((log_mel(waveform, MEL) - mel).abs().mean())


def test_noise_comes_near_to_any_sound_and_nearer_with_every_iteration() -> None:
    mel = log_mel(clips(), MEL)
    noise = 0.1 * torch.randn(3, world.CLIP_SAMPLES, generator=torch.Generator().manual_seed(0))
    found = [distance(match_mel(noise, mel, MEL, n), mel) for n in (0, 1, 4, 12)]
    assert found == sorted(found, reverse=True)
    assert found[2] < 0.2 * found[0]


def test_a_sound_that_is_right_stays_as_it_is() -> None:
    sound = clips()
    mel = log_mel(sound, MEL)
    after = match_mel(sound, mel, MEL, 4)
    assert distance(after, mel) < SETTLED
    inside = slice(1_024, -1_024)  # the first and last frames are reflected in one and silent beyond the edge in the other
    error = (after - sound)[:, inside].square().mean() / sound[:, inside].square().mean()
    assert error < 0.01


def test_no_iterations_give_the_waveform_back() -> None:
    sound = clips(1)
    assert match_mel(sound, log_mel(sound, MEL), MEL, 0) is sound


def test_a_clip_does_not_depend_on_its_batch() -> None:
    mel = log_mel(clips(), MEL)
    noise = 0.1 * torch.randn(3, world.CLIP_SAMPLES, generator=torch.Generator().manual_seed(0))
    together = match_mel(noise, mel, MEL, 2)
    for i in range(3):
        torch.testing.assert_close(match_mel(noise[i : i + 1], mel[i : i + 1], MEL, 2)[0], together[i], atol=1e-5, rtol=0)


@pytest.mark.parametrize("level", [0.0, 1e-7])
def test_silence_stays_finite(level: float) -> None:
    sound = torch.full((1, 4_800), level)
    after = match_mel(sound, log_mel(sound, MEL), MEL, 4)
    assert torch.isfinite(after).all()
    assert after.abs().max() < 1e-3
