"""Warnings that no end-to-end test shows in every form."""

from __future__ import annotations

import pandas as pd
from analysis_worlds import CLAP, KL

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import Alert
from reaudio_eval.statistics.caveats import different_prompts, reranked, training_prompts

CHOSEN = "Candidate selection: each clip of a (of 3) is the candidate most similar to the prompt by the model's own CLAP."


Values = list[tuple[str, str, None, float]]


def scored(name: str, values: Values) -> SystemScores:
    """Clip id, metric, no label, value."""
    frame = pd.DataFrame(values, columns=SCORES.required)
    return SystemScores(SystemInfo(name, "generated", 6), (CLAP, KL), frame, SET_VALUES.empty())


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


def test_systems_with_other_prompts_are_counted_and_those_without_a_common_one_named() -> None:
    prompts = [Prompt(str(i), "x") for i in range(6)]
    clips = {"real": "012345", "a": "012", "b": "345", "c": "012", "kad only": ""}
    rows = {name: [(clip, CLAP.name, None, 0.5) for clip in own] for name, own in clips.items()}
    systems = [scored(name, own) for name, own in rows.items()]
    (alert,) = different_prompts(systems, prompts)
    assert alert.message.startswith("Systems were scored on different prompts, of 6: real on 6; a and c on 3; b on 3. ")
    assert "compared on those that both have; a and c share no prompt with b. --common" in alert.message
    assert (alert.level, alert.first_screen) == ("warning", True)
    assert list(different_prompts([systems[1], systems[3], systems[4]], prompts)) == []


def test_a_metric_that_one_system_lacks_is_no_difference_of_prompts() -> None:
    prompts = [Prompt(str(i), "x") for i in range(3)]
    label: Values = [(clip, CLAP.name, None, 0.5) for clip in "01"]  # the third clip has no label
    both: Values = [*label, *((clip, KL.name, None, 0.5) for clip in "012")]
    made, real, fewer = scored("made", both), scored("real", label), scored("fewer", both[:-1])
    assert list(different_prompts([made, real], prompts)) == []
    (alert,) = different_prompts([made, fewer, real], prompts)
    assert "of 3: made on 3; fewer on 2. " in alert.message
