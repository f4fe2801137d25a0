"""Captions of the miniature: every event named, order words only for order, a closed vocabulary."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from reaudio_model.miniature import captions, world
from reaudio_model.miniature.classes import BY_LABEL, CLASSES, SoundClass

SPECS = [world.describe(i) for i in (*world.clip_ids("test"), *world.balanced_ids(3_000))]
ORDER_WORDS = frozenset({"then", "followed", "after", "before"})


def names_event(caption: str, label: str) -> bool:
    """Whether the caption contains one of the label's wordings."""
    texts = [text for wording in BY_LABEL[label].wordings for text in (wording.clause, wording.phrase)]
    return any(f" {text} " in f" {caption.replace(',', ' ,')} " for text in texts)


def test_every_event_is_named() -> None:
    assert all(names_event(spec.caption, label) for spec in SPECS for label in spec.labels)


def test_events_are_named_in_order() -> None:
    def position(caption: str, label: str) -> int:
        found = [
            caption.find(t)
            for sound in CLASSES
            if sound.label == label
            for w in sound.wordings
            for t in (w.clause, w.phrase)
        ]
        return min(f for f in found if f >= 0)

    for spec in SPECS:
        positions = [position(spec.caption, label) for label in spec.labels]
        assert positions == sorted(positions), spec


def test_order_words_stand_exactly_where_events_follow_each_other() -> None:
    for spec in SPECS:
        ordered = bool(ORDER_WORDS & set(captions.words_of(spec.caption)))
        assert ordered == (spec.arrangement == "sequence"), spec


def test_loudness_words_fit_the_events() -> None:
    """A single event: the caption never says the opposite of its loudness, and says it at times."""
    said: Counter[tuple[str, bool]] = Counter()
    for spec in (spec for spec in SPECS if spec.arrangement == "single"):
        loudness = spec.events[0].loudness
        for level, words in captions.LOUDNESS_WORDS.items():
            named = any(f" {text}" in spec.caption for text in words)
            assert not named or level == loudness, spec
            said[loudness, named] += level == loudness
    for loud in ("soft", "loud"):
        share = said[loud, True] / (said[loud, True] + said[loud, False])
        assert abs(share - captions.NAMED_LOUDNESS) < 0.1  # four standard errors of 400 draws


def test_vocabulary_is_closed_and_without_spare_words() -> None:
    used = {word for spec in SPECS for word in captions.words_of(spec.caption)}
    assert used == set(captions.vocabulary())


def test_wordings_are_varied_and_belong_to_one_class() -> None:
    texts = Counter(text for sound in CLASSES for wording in sound.wordings for text in {wording.clause, wording.phrase})
    assert max(texts.values()) == 1
    assert min(len(sound.wordings) for sound in CLASSES) >= 2
    assert len({spec.caption for spec in SPECS}) > 0.5 * len(SPECS)


def test_no_wording_holds_a_word_of_order_or_loudness() -> None:
    reserved = ORDER_WORDS | {"loudly", "softly", "quietly", "faintly", "distance", "nearby", "close"}
    assert not any(
        reserved & set(captions.words_of(text)) for sound in CLASSES for wording in sound.wordings for text in wording
    )


@pytest.mark.parametrize("sound", CLASSES, ids=lambda sound: sound.label)
def test_class_caption_names_its_class_alone(sound: SoundClass) -> None:
    named = [other for other in CLASSES if names_event(captions.class_caption(sound.label), other.label)]
    assert named == [sound]


def test_compose_is_reproducible() -> None:
    made = [captions.compose(["dog", "bell"], ["soft", "loud"], "sequence", np.random.default_rng(3)) for _ in range(2)]
    assert made[0] == made[1]
