"""The leak report: each kind of leak, the first k only, and JSON."""

from __future__ import annotations

import json

import pytest

from reaudio_model.retrieval.leakage import leak_report
from reaudio_model.retrieval.records import Neighbour, Pair

PROMPTS = [Pair("a", "A dog barks.", source_id="v1"), Pair("b", "rain", source_id=""), Pair("c", "wind", source_id="v3")]


def neighbours(*pairs: Pair) -> list[Neighbour]:
    return [Neighbour(pair, rank, 0.9 - 0.2 * rank) for rank, pair in enumerate(pairs)]


RETRIEVED = [
    neighbours(Pair("x", "a DOG  barks", source_id="v9"), Pair("a", "other", source_id="v1")),
    neighbours(Pair("y", "rainy", source_id=""), Pair("z", "Rain!", source_id="v2")),
    neighbours(Pair("q", "a bell", source_id="v3")),
]


def test_each_kind_of_leak() -> None:
    report = leak_report(PROMPTS, RETRIEVED, k=2)
    assert report.target == ("a",)
    assert report.same_source == ("a", "c")  # an unknown source is nobody's
    assert report.identical_caption == ("a", "b")
    assert (report.max_similarity, report.max_similarity_clip) == (0.9, "a")


def test_only_the_first_k_count() -> None:
    report = leak_report(PROMPTS, RETRIEVED, k=1)
    assert (report.target, report.same_source, report.identical_caption) == ((), ("c",), ("a",))
    assert report.affected.isdisjoint({"b"})
    assert report.affected >= {"a", "c"}


def test_json_and_text() -> None:
    report = leak_report(PROMPTS, RETRIEVED, k=2)
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert content["target"] == {"n": 1, "share": pytest.approx(1 / 3), "clip_ids": ["a"]}
    assert (content["n_prompts"], content["n_affected"], content["k"]) == (3, 3, 2)
    assert report.to_text() == (
        "Of 3 prompts, the first 2 neighbours include the target clip for 1 (33.3%), its recording for 2 (66.7%), "
        "its caption for 2 (66.7%). Largest cosine 0.900."
    )


def test_nothing_retrieved_and_no_prompts() -> None:
    nothing = leak_report(PROMPTS, [[], [], []], k=3)
    assert (nothing.max_similarity, nothing.affected) == (None, frozenset())
    assert leak_report([], [], k=3).to_json()["target"] == {"n": 0, "share": None, "clip_ids": []}


def test_arguments() -> None:
    with pytest.raises(ValueError, match="3 prompts, neighbours of 1, k 1"):
        leak_report(PROMPTS, RETRIEVED[:1], k=1)
    with pytest.raises(ValueError, match="k 0"):
        leak_report(PROMPTS, RETRIEVED, k=0)
