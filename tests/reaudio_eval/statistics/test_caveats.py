"""Warnings that no end-to-end test shows in every form."""

from __future__ import annotations

from analysis_worlds import CLAP, KL

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.statistics.analysis import Alert
from reaudio_eval.statistics.caveats import reranked, training_prompts

CHOSEN = "Candidate selection: each clip of a (of 3) is the candidate most similar to the prompt by the model's own CLAP."


def test_choosing_among_candidates_is_a_warning_beside_a_clap_score() -> None:
    systems = {"a": SystemInfo("a", "generated", 2, candidates=3), "b": SystemInfo("b", "generated", 2)}
    advice = " This alone raises CLAP score: prefer a metric of another network."
    assert list(reranked(systems, [KL, CLAP])) == [Alert("warning", CHOSEN + advice)]
    assert list(reranked(systems, [KL])) == [Alert("note", CHOSEN)]
    assert list(reranked({"b": systems["b"]}, [CLAP])) == []


def test_prompts_of_the_training_split_are_counted() -> None:
    prompts = [Prompt(str(i), "x", split="train" if i < 2 else "test") for i in range(5)]
    (alert,) = training_prompts(prompts)
    assert alert.message.startswith("2 of 5 prompts are of the split train: ")
    assert (alert.level, alert.first_screen) == ("warning", True)
    assert list(training_prompts(prompts[2:])) == []
