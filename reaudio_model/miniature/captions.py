"""Captions of the miniature: templates and vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal, TypeVar

import numpy as np

from reaudio_model.miniature.classes import BY_LABEL, CLASSES

T = TypeVar("T")
Loudness = Literal["soft", "medium", "loud"]
Arrangement = Literal["single", "together", "sequence"]

LOUDNESS_WORDS: dict[Loudness, tuple[str, ...]] = {
    "soft": ("softly", "quietly", "faintly", "in the distance"),
    "medium": (),
    "loud": ("loudly", "nearby", "close by", "very loudly"),
}
NAMED_LOUDNESS = 0.6  # proportion of soft and loud events whose caption mentions it

# {c}: a clause ("a dog barks"), {p}: a phrase ("a dog barking").
SINGLE = ("{c}", "{p}", "the sound of {p}", "{p} can be heard", "there is {p}", "a recording of {p}")
TOGETHER = (" while ", " and ", " as ", " with ")
SEQUENCE = (" and then ", ", then ", " followed by ", ", after that ", " before ")
PHRASE_JOINS = frozenset({" with ", " followed by "})  # "a dog barks followed by a bell ringing"


def compose(labels: Sequence[str], loudness: Sequence[Loudness], arrangement: Arrangement, rng: np.random.Generator) -> str:
    """A caption that names every event, in their order; lower case, no full stop.

    Args:
        labels: the events' classes, first to last.
        loudness: of each event; mentioned with probability ``NAMED_LOUDNESS``, "medium" never.
        arrangement: only "sequence" uses words of order ("then", "followed", "after", "before").
        rng: selects wordings and templates.
    """
    wordings = [_pick(rng, BY_LABEL[label].wordings) for label in labels]
    adverbs = [_adverb(level, rng) for level in loudness]
    if arrangement == "single":
        template = _pick(rng, SINGLE)
        return template.format(c=wordings[0].clause + adverbs[0], p=wordings[0].phrase + adverbs[0])
    caption = wordings[0].clause + adverbs[0]
    for wording, adverb in zip(wordings[1:], adverbs[1:], strict=True):
        join = _pick(rng, TOGETHER if arrangement == "together" else SEQUENCE)
        caption += join + (wording.phrase if join in PHRASE_JOINS else wording.clause) + adverb
    return caption


def words_of(caption: str) -> list[str]:
    """The words of a caption, without commas."""
    return caption.replace(",", " ").split()


@cache
def vocabulary() -> tuple[str, ...]:
    """Every word that can occur in a caption, sorted."""
    texts = [text for sound in CLASSES for wording in sound.wordings for text in wording]
    texts += [template.format(c="", p="") for template in SINGLE]
    texts += [*TOGETHER, *SEQUENCE, *(word for words in LOUDNESS_WORDS.values() for word in words)]
    return tuple(sorted({word for text in texts for word in words_of(text)}))


def _adverb(loudness: Loudness, rng: np.random.Generator) -> str:
    choices = LOUDNESS_WORDS[loudness]
    return f" {_pick(rng, choices)}" if choices and rng.random() < NAMED_LOUDNESS else ""


def _pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def class_caption(label: str) -> str:
    """The plainest caption of a class: "the sound of a dog barking"."""
    return f"the sound of {BY_LABEL[label].wordings[0].phrase}"


def class_captions(label: str) -> list[str]:
    """Captions of a single class in several wordings, :func:`class_caption` first."""
    wordings = BY_LABEL[label].wordings
    plain = ("the sound of {p}", "{c}", "{p} can be heard", "a recording of {p}")
    made = [t.format(c=w.clause, p=w.phrase) for w in wordings for t in plain]
    return list(dict.fromkeys(made))
