"""Which prompts are played."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reaudio_eval.reports.listen import anchors_by_label, ranking_metric, select
from reaudio_eval.statistics.analysis import LongtailAnalysis


def scores(analysis: LongtailAnalysis, metric: str) -> dict[str, list[float]]:
    frame = analysis.clip_scores
    names = [s.name for s in analysis.systems if s.kind == "generated"]
    frame = frame[(frame["metric"] == metric) & frame["system"].isin(names)]
    return frame.groupby("clip_id")["value"].apply(list).to_dict()


def test_worst_then_largest_differences_then_the_rest(small: LongtailAnalysis) -> None:
    listening = select(small, 100)
    by_clip = scores(small, "clap_score")
    ids = [[item.prompt.clip_id for item in items] for _, items in listening.groups]
    assert [title for title, _ in listening.groups] == ["Worst", "Largest differences between systems", "Random"]
    assert ids[0] == sorted(by_clip, key=lambda c: sum(by_clip[c]))[:2]
    left = [c for c in by_clip if c not in ids[0]]
    assert ids[1] == sorted(left, key=lambda c: min(by_clip[c]) - max(by_clip[c]))[:2]
    assert sorted(ids[0] + ids[1] + ids[2]) == sorted(by_clip)


def test_lower_is_better_turns_the_worst_around(small: LongtailAnalysis) -> None:
    turned = tuple(replace(m, higher_is_better=False) for m in small.metrics)
    by_clip = scores(small, "clap_score")
    worst = select(replace(small, metrics=turned), 100).groups[0][1]
    assert worst[0].prompt.clip_id == max(by_clip, key=lambda c: sum(by_clip[c]))


def test_reference_first_and_no_noise(small: LongtailAnalysis) -> None:
    item = select(small, 100).chosen[0]
    assert [p.name for p in item.players] == ["real audio", "Re-AudioLDM", "AudioGen"]
    assert item.players[1].scores[0][0] == "CLAP score"


def test_references_that_are_no_system(small: LongtailAnalysis) -> None:
    generated = tuple(s for s in small.systems if s.kind == "generated")
    player = select(replace(small, systems=generated), 100).chosen[0].players[0]
    assert (player.name, player.system, player.scores) == ("real audio", None, ())


@pytest.mark.parametrize(("players", "prompts"), [(0, 0), (2, 0), (3, 1), (8, 2), (10_000, 6)])
def test_budget(small: LongtailAnalysis, players: int, prompts: int) -> None:
    assert len(select(small, players).chosen) == prompts


def test_without_scores_all_are_random(small: LongtailAnalysis) -> None:
    listening = select(replace(small, clip_scores=small.clip_scores.iloc[:0]), 100)
    assert [title for title, _ in listening.groups] == ["Random"]
    assert ranking_metric(replace(small, clip_scores=small.clip_scores.iloc[:0])) is None


def test_a_set_metric_as_primary_ranks_by_one_that_clips_have(analysis: LongtailAnalysis) -> None:
    metric = ranking_metric(replace(analysis, primary="fad_vggish"))
    assert metric is not None
    assert metric.name == "clap_score"


def test_classes_link_to_prompts_with_trusted_labels(small: LongtailAnalysis) -> None:
    listening = select(small, 100)
    anchors = anchors_by_label(listening)
    for item in listening.chosen:
        for label in item.prompt.labels:
            assert (item.anchor in anchors.get(label, ())) == item.prompt.labels_known
