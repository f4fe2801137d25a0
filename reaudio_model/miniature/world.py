"""Clips of the miniature: splits, events and sound.

Everything is computed from the clip's id.

Splits (no two share a clip):

- ``train``: the long tail. ``SoundClass.n_train`` clips have each label; clips have one, two or three events.
- ``val``: classes with training clips. ``test``: every class equally often, including those without training clips.
- ``pool``: the retrieval set: all of ``train``, and clips of the classes that are in the pool only.
- ``balanced``: any number of clips, every class equally often (``balanced_ids``), for networks that represent pre-trained ones.

A clip depends only on ``WORLD_VERSION`` and its id. A change of a sound, a caption or a count requires a new version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.miniature.captions import Arrangement, Loudness, compose
from reaudio_model.miniature.classes import BY_LABEL, CLASSES, Regime
from reaudio_model.miniature.synthesis import SAMPLE_RATE, Signal, background, hump, log_uniform, place_far, unit_peak

WORLD_VERSION = 1
CLIP_SAMPLES = 40_960  # 2.56 s

Split = Literal["train", "val", "test", "pool"]
SPLITS: tuple[Split, ...] = ("train", "val", "test", "pool")

SCENE_SIZES = (0.65, 0.27, 0.08)  # proportions of train clips planned with one, two and three events
BALANCED_SCENES = 0.35  # proportion of balanced clips with more than one event
POOL_SINGLES, POOL_IN_SCENES = 12, 4  # clips of each class that is only in the pool
VAL_SINGLES, VAL_IN_SCENES = 2, 1  # per trained class
TEST_SINGLES, TEST_IN_SCENES = 4, 1  # per class

PEAKS: dict[Loudness, tuple[float, float]] = {"soft": (0.06, 0.15), "medium": (0.25, 0.45), "loud": (0.6, 0.9)}
DISTANCES: dict[Loudness, tuple[float, float]] = {"soft": (0.4, 1.0), "medium": (0.1, 0.6), "loud": (0.0, 0.3)}
QUIETEST_ROOM = 0.001  # peak of the background noise
LOUDEST_ROOM = 0.35  # the same, relative to the softest event's peak
FULL_SCALE = 0.95  # louder mixtures are scaled down to this peak


@dataclass(frozen=True, slots=True)
class Event:
    """One sound in a clip.

    Attributes:
        label: its class.
        start_s, duration_s: position in the clip.
        loudness: as captions name it.
        peak: its level in the mixture, full scale 1.
        distance: 0 (near) to 1 (far: duller, with echoes).
    """

    label: str
    start_s: float
    duration_s: float
    loudness: Loudness
    peak: float
    distance: float


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """Contents of a clip.

    ``labels`` and ``events`` are in order of time, and labels are distinct; ``split`` is train, val, test, pool or balanced.
    """

    clip_id: str
    split: str
    labels: tuple[str, ...]
    caption: str
    arrangement: Arrangement
    events: tuple[Event, ...]


def clip_ids(split: Split) -> tuple[str, ...]:
    """The clips of a split, in a fixed order.

    Raises:
        UnknownNameError: no such split.
    """
    one_of("miniature split", split, SPLITS)
    own = tuple(f"{split}-{index:06d}" for index in range(len(_plan(split))))
    return clip_ids("train") + own if split == "pool" else own


def balanced_ids(count: int, first: int = 0) -> tuple[str, ...]:
    """``count`` clips of the unlimited balanced split; clip i has class i modulo the number of classes."""
    return tuple(f"balanced-{index:06d}" for index in range(first, first + count))


def train_counts() -> dict[str, int]:
    """Label -> number of train clips with it; 0 for classes without training clips."""
    return {sound.label: sound.n_train for sound in CLASSES}


def label_names() -> dict[str, str]:
    """Label -> AudioSet display name."""
    return {sound.label: sound.name for sound in CLASSES}


def regime(label: str) -> Regime:
    """Whether a class is in the train split, only in the retrieval pool, or in neither.

    Raises:
        UnknownNameError: no such label.
    """
    one_of("miniature label", label, BY_LABEL)
    return BY_LABEL[label].regime


@cache
def describe(clip_id: str) -> ClipSpec:
    """Contents and caption of a clip.

    Raises:
        ReaudioError: no such clip.
    """
    split, labels = _look_up(clip_id)
    rng = _rng(clip_id, "events")
    arrangement: Arrangement = "single" if len(labels) == 1 else ("together", "sequence")[rng.integers(2)]
    events = tuple(
        _event(rng, label, start, duration)
        for label, (start, duration) in zip(labels, _slots(rng, arrangement, len(labels)), strict=True)
    )
    caption = compose(labels, [event.loudness for event in events], arrangement, _rng(clip_id, "caption"))
    return ClipSpec(clip_id, split, labels, caption, arrangement, events)


def render(clip_id: str) -> npt.NDArray[np.float32]:
    """The sound of a clip: float32 (40960,), mono, 16 kHz, peak at most 0.95, on the 16-bit grid (multiples of 2**-15).

    Rounding makes the result bit-identical on every machine: differences of sine and FFT are ten orders smaller than a step.

    Raises:
        ReaudioError: no such clip.
    """
    spec = describe(clip_id)
    mixture = np.zeros(CLIP_SAMPLES)
    for index, event in enumerate(spec.events):
        start = round(event.start_s * SAMPLE_RATE)
        sound = _render_event(event, _rng(clip_id, f"event {index}"))[: CLIP_SAMPLES - start]
        mixture[start : start + len(sound)] += sound
    rng = _rng(clip_id, "room")
    mixture += log_uniform(rng, QUIETEST_ROOM, LOUDEST_ROOM * min(event.peak for event in spec.events)) * background(
        rng, CLIP_SAMPLES
    )
    mixture *= min(1.0, FULL_SCALE / np.abs(mixture).max())
    return (np.round(mixture * 2**15) / 2**15).astype(np.float32)


def _render_event(event: Event, rng: np.random.Generator) -> Signal:
    n = round(event.duration_s * SAMPLE_RATE)
    dry = BY_LABEL[event.label].synthesiser(rng, n)
    fade = 0.02 * SAMPLE_RATE / n
    sound = place_far(rng, dry, event.distance) * hump(n, 0.1 * fade, fade)
    return event.peak * unit_peak(sound)


def _event(rng: np.random.Generator, label: str, start_s: float, duration_s: float) -> Event:
    loudness: Loudness = ("soft", "medium", "medium", "loud")[rng.integers(4)]
    peak, distance = log_uniform(rng, *PEAKS[loudness]), rng.uniform(*DISTANCES[loudness])
    return Event(label, start_s, duration_s, loudness, peak, distance)


def _slots(rng: np.random.Generator, arrangement: Arrangement, count: int) -> list[tuple[float, float]]:
    """Start and duration of each event, in seconds."""
    clip_s = CLIP_SAMPLES / SAMPLE_RATE
    if arrangement == "sequence":
        cuts = [clip_s * (i + (0.12 * rng.uniform(-1.0, 1.0) if 0 < i < count else 0.0)) / count for i in range(count + 1)]
        return [(start, (end - start) * rng.uniform(0.88, 1.0)) for start, end in pairwise(cuts)]
    starts = [rng.uniform(0.0, 0.3) for _ in range(count)]
    return [(start, clip_s - start - rng.uniform(0.0, 0.3)) for start in starts]


def _rng(clip_id: str, purpose: str) -> np.random.Generator:
    """A separate stream for each clip and purpose. PCG64 explicitly, because ``default_rng`` may change."""
    digest = hashlib.sha256(f"miniature {WORLD_VERSION}/{clip_id}/{purpose}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def _look_up(clip_id: str) -> tuple[str, tuple[str, ...]]:
    """Split and labels of a clip."""
    split, _, digits = clip_id.partition("-")
    if digits.isascii() and digits.isdecimal() and f"{int(digits):06d}" == digits:
        index = int(digits)
        if split == "balanced":
            return split, _balanced_labels(clip_id, index)
        for known in SPLITS:
            if split == known and index < len(_plan(known)):
                return split, _plan(known)[index]
    raise ReaudioError(f"The miniature world has no clip {clip_id!r}; ids look like 'test-000012'.")


def _balanced_labels(clip_id: str, index: int) -> tuple[str, ...]:
    rng = _rng(clip_id, "labels")
    size = int(rng.integers(2, 4)) if rng.random() < BALANCED_SCENES else 1
    # Distinct others: steps around the circle of classes; then the clip's own class is inserted among them.
    steps = rng.permutation(len(CLASSES) - 1)[: size - 1] + 1
    labels = [CLASSES[(index + int(step)) % len(CLASSES)].label for step in steps]
    labels.insert(int(rng.integers(size)), CLASSES[index % len(CLASSES)].label)
    return tuple(labels)


@cache
def _plan(split: Split) -> tuple[tuple[str, ...], ...]:
    """The labels of each clip of a split; for the pool, of the clips that are not in train."""
    rng = _rng(split, "plan")
    if split == "train":
        tokens = [sound.label for sound in CLASSES for _ in range(sound.n_train)]
        return _group(rng, tokens, SCENE_SIZES)
    singles, in_scenes, regimes = {
        "val": (VAL_SINGLES, VAL_IN_SCENES, ("train",)),
        "test": (TEST_SINGLES, TEST_IN_SCENES, ("train", "pool only", "neither")),
        "pool": (POOL_SINGLES, POOL_IN_SCENES, ("pool only",)),
    }[split]
    labels = [sound.label for sound in CLASSES if sound.regime in regimes]
    alone = tuple((label,) for label in labels for _ in range(singles))
    return alone + _group(rng, labels * in_scenes, (0.0, 0.7, 0.3))


def _group(
    rng: np.random.Generator, tokens: Sequence[str], proportions: tuple[float, float, float]
) -> tuple[tuple[str, ...], ...]:
    """Group shuffled labels into clips of one, two or three different ones; a clip that would repeat a label is smaller."""
    remaining = [tokens[i] for i in rng.permutation(len(tokens))]
    clips = []
    while remaining:
        draw = rng.random()
        size = 1 + (draw >= proportions[0]) + (draw >= proportions[0] + proportions[1])
        labels = [remaining.pop()]
        while len(labels) < size and remaining and remaining[-1] not in labels:
            labels.append(remaining.pop())
        clips.append(tuple(labels))
    return tuple(clips)
