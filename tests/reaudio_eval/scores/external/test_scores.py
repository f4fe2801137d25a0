"""Scores of tables: by system, restricted, alone and joined with computed ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.scores.evaluate import NO_CLIPS, Evaluation
from reaudio_eval.scores.external.joined import with_external
from reaudio_eval.scores.external.metrics import StatedMetric
from reaudio_eval.scores.external.scores import NO_SCORES, ExternalScores, check_computed, match_scores
from reaudio_eval.scores.external.source import GivenFrame
from reaudio_eval.scores.external.table import read_score_tables
from reaudio_eval.scores.metrics import ClipMetric
from reaudio_eval.scores.score import NamedMetric
from reaudio_eval.scores.system_scores import MetricInfo, Range, ScoredClips, SystemScores
from reaudio_model.common.errors import ReaudioError

DATASET = Dataset("folder", "test", tuple(Prompt(c, c, ("dog",)) for c in "abcd"), {"dog": 3}, {"dog": "Dog"})
STATED = {"m": StatedMetric(True, Range(0.0, 10.0)), "q": StatedMetric(False)}
KL = MetricInfo("kl", "KL", "clip", False, "nats", "net")
ROWS = [
    ("a", "A", "m", 1.0), ("b", "A", "m", 2.0), ("c", "A", "q", 3.0), ("b", "real", "m", 4.0), ("d", "real", "m", 5.0),
    ("a", "B", "m", 6.0),
]  # fmt: skip


def read(*rows: tuple[str, str, str, float]) -> ExternalScores:
    frame = pd.DataFrame(rows or ROWS, columns=["clip_id", "system", "metric", "value"])
    stated = {name: STATED[name] for name in frame["metric"].unique()}
    tables, _ = read_score_tables([GivenFrame(frame, "DataFrame")], stated)
    return match_scores(tables, stated, DATASET)


def computed(clips: str, metric: MetricInfo = KL) -> SystemScores:
    rows = pd.DataFrame([(c, metric.name, None, 0.5) for c in clips], columns=SCORES.required).astype({"label": object})
    return SystemScores(SystemInfo("A", "generated", len(clips)), (metric,), rows, SET_VALUES.empty(), {"fd": "why"})


def named(name: str, unavailable: str | None = None, higher: bool = True) -> NamedMetric:
    definition = ClipMetric(name, name, higher, "", "tests", compute=lambda given: given)  # type: ignore[arg-type, return-value]
    return NamedMetric(definition, MetricInfo(name, name, "clip", higher, "", "net"), unavailable)


def test_systems_metrics_and_clips() -> None:
    found = read()
    assert list(found.scores) == ["A", "real", "B"]
    assert [m.name for m in found.metrics] == ["m", "q"]
    assert found.metrics[0].range == Range(0.0, 10.0)
    assert found.clip_ids("A") == {"a", "b", "c"}
    assert found.clip_ids("Z") == frozenset()
    assert found.every_clip == {"a", "b", "c", "d"}
    assert [m.name for m in found.metrics_of("B")] == ["m"]
    assert found.notes == ("The clip ids of DataFrame are read as clip_id.",)
    assert found.to_json()["prompts"] == {"A": {"m": 2, "q": 1}, "real": {"m": 2}, "B": {"m": 1}}
    assert found.to_json()["tables"][0]["rows"] == len(ROWS)
    assert match_scores([], {}, DATASET) is NO_SCORES


def test_parts() -> None:
    found = read()
    part = found.restricted(["a", "d"])
    assert {name: part.clip_ids(name) for name in part.scores} == {"A": {"a"}, "real": {"d"}, "B": {"a"}}
    assert [m.name for m in part.metrics] == ["m"]
    assert list(found.with_metrics(["q"]).scores) == ["A"]
    assert found.common_clips == frozenset()
    assert read(("a", "A", "m", 1), ("b", "A", "m", 1), ("b", "A", "q", 1), ("b", "B", "m", 1)).common_clips == {"b"}
    assert NO_SCORES.common_clips == frozenset()


def test_content_decides_the_digest() -> None:
    found = read()
    assert found.sha256("A") == read().sha256("A")
    assert found.sha256("A") != read(*ROWS[:2], ("c", "A", "q", 3.5)).sha256("A")
    assert found.sha256("A") == found.restricted("abc").sha256("A")
    assert found.sha256("A") != found.restricted("ab").sha256("A")


def test_a_system_alone_is_what_its_name_says() -> None:
    found = read()
    assert (found.alone("real", 0).system.kind, found.alone("real", 0).system.role) == ("real", "real")
    scores = found.alone("A", 7)
    assert (scores.system.kind, scores.system.n_clips, scores.seed) == ("generated", 3, 7)
    assert scores.set_values.empty
    assert scores.scores["n_values"].tolist() == [1, 1, 1]


def test_scores_are_joined_with_those_of_the_system_once() -> None:
    found, own = read(), computed("ab")
    joined = found.joined(own)
    assert [m.name for m in joined.metrics] == ["kl", "m", "q"]
    assert joined.scores.set_index(["metric", "clip_id"])["value"].to_dict() == {
        ("kl", "a"): 0.5, ("kl", "b"): 0.5, ("m", "a"): 1.0, ("m", "b"): 2.0, ("q", "c"): 3.0,
    }  # fmt: skip
    again = found.joined(joined)
    assert again.scores.equals(joined.scores)
    assert [m.name for m in again.metrics] == ["kl", "m", "q"]
    assert NO_SCORES.joined(own) is own


def test_an_evaluation_counts_clips_and_values() -> None:
    evaluation = Evaluation((computed("ad"),), {"A": ScoredClips(("a", "d"), ("a",))}, {}, {}, {})
    found = with_external(evaluation, read(), 3)
    assert [s.system.name for s in found.scores] == ["A", "B", "real"]  # references last
    assert found.clips == {"A": (("a", "b", "c", "d"), ("a",)), "B": (("a",), ()), "real": (("b", "d"), ())}
    assert (found.scores[0].system.n_clips, found.scores[0].set_clip_ids) == (4, frozenset("a"))
    assert found.clip_ids == tuple("abcd")
    alone = with_external(NO_CLIPS, read(), 3)
    assert [s.seed for s in alone.scores] == [3, 3, 3]
    assert with_external(evaluation, NO_SCORES, 0).scores[0].scores.equals(evaluation.scores[0].scores)


def test_a_metric_is_given_or_computed_and_means_the_same() -> None:
    found = read()
    check_computed(found, ["A"], [named("m", unavailable="no checkpoint"), named("kl")])
    check_computed(found, ["C"], [named("m")])
    with pytest.raises(
        ReaudioError, match="m of 'A' is in a table of --scores and is computed from the clips of 'A': rename"
    ):
        check_computed(found, ["A"], [named("m")])
    with pytest.raises(ReaudioError, match="m of --scores has another direction or level than the metric of that name"):
        check_computed(found, ["C"], [named("m", higher=False)])


def test_two_tables_are_one(tmp_path: Path) -> None:
    frames = [
        pd.DataFrame([("a", "A", "m", v, s)], columns=["clip_id", "system", "metric", "value", "seed"])
        for v, s in ((1, 0), (4, 1))
    ]
    stated = {"m": STATED["m"]}
    tables, _ = read_score_tables([GivenFrame(f, f"table {i}") for i, f in enumerate(frames)], stated)
    row = match_scores(tables, stated, DATASET).scores["A"].iloc[0]
    assert (row["value"], row["n_values"]) == (2.5, 2)
    tables, _ = read_score_tables([GivenFrame(frames[0], "one"), GivenFrame(frames[0], "two")], stated)
    with pytest.raises(ReaudioError, match="two: 1 cell has two values"):
        match_scores(tables, stated, DATASET)
