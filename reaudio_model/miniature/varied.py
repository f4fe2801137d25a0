"""Training clips at other speeds.

They augment the long tail: a denoiser may memorise 2,936 clips before it learns to use retrieved pairs. Clip ``<id>@slow`` is train
clip ``<id>`` at 0.65 to 0.9 of its speed, ``<id>@fast`` at 1.1 to 1.4, like a tape; pitch and tempo change together. Caption, labels and
recording are those of the original, so that neither retrieves the other.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.resample import resample
from reaudio_model.miniature.synthesis import SAMPLE_RATE
from reaudio_model.miniature.world import CLIP_SAMPLES, clip_ids, render

SPEEDS = {"slow": (0.65, 0.9), "fast": (1.1, 1.4)}
MARK = "@"
JOINT = 800  # samples of the cross-fade from the end of a clip that became too short to its beginning


def varied_ids() -> tuple[str, ...]:
    """Ids of all slower, then of all faster clips."""
    return tuple(f"{clip_id}{MARK}{name}" for name in SPEEDS for clip_id in clip_ids("train"))


def original(clip_id: str) -> str:
    """The id of the unvaried clip; the id itself if it has no mark."""
    return clip_id.partition(MARK)[0]


def speed(clip_id: str) -> float:
    """Playback speed of a clip: 1 is the original, 2 an octave higher; in hundredths, for fast resampling.

    Depends on the id alone.

    Raises:
        ReaudioError: a mark that is neither "slow" nor "fast".
    """
    _, mark, name = clip_id.partition(MARK)
    if not mark:
        return 1.0
    if name not in SPEEDS:
        raise ReaudioError(f"No clip {clip_id!r}: after {MARK} is one of {', '.join(SPEEDS)}.")
    low, high = SPEEDS[name]
    digest = hashlib.sha256(clip_id.encode()).digest()
    return round(low + (high - low) * int.from_bytes(digest[:8], "big") / 2**64, 2)


def render_varied(clip_id: str) -> npt.NDArray[np.float32]:
    """The sound of a clip, varied or not; see :func:`reaudio_model.miniature.world.render`.

    A faster clip ends early and continues with its beginning.

    Raises:
        ReaudioError: no such clip.
    """
    factor, sound = speed(clip_id), render(original(clip_id))
    if factor == 1.0:
        return sound
    played = resample(sound, round(SAMPLE_RATE * factor), SAMPLE_RATE)
    if len(played) < CLIP_SAMPLES:
        ramp = np.linspace(0.0, 1.0, JOINT, dtype=np.float32)
        joint = played[-JOINT:] * (1 - ramp) + played[:JOINT] * ramp
        played = np.concatenate([played[:-JOINT], joint, played[JOINT:]])
    varied: npt.NDArray[np.float32] = (
        (np.round(played[:CLIP_SAMPLES] * 2**15) / 2**15).clip(-1, 1 - 2**-15).astype(np.float32)
    )
    return varied
