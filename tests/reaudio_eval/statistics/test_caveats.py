"""Warnings that no end-to-end test shows in every form."""

from __future__ import annotations

from analysis_worlds import CLAP, KL

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.statistics.analysis import Alert
from reaudio_eval.statistics.caveats import reranked

CHOSEN = "Candidate selection: each clip of a (of 3) is the candidate most similar to the prompt by the model's own CLAP."


def test_choosing_among_candidates_is_a_warning_beside_a_clap_score() -> None:
    systems = {"a": SystemInfo("a", "generated", 2, candidates=3), "b": SystemInfo("b", "generated", 2)}
    advice = " This alone raises CLAP score: prefer a metric of another network."
    assert list(reranked(systems, [KL, CLAP])) == [Alert("warning", CHOSEN + advice)]
    assert list(reranked(systems, [KL])) == [Alert("note", CHOSEN)]
    assert list(reranked({"b": systems["b"]}, [CLAP])) == []
