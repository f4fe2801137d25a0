"""Statistics of a listening test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reaudio_eval.evaluations.listening.agreement import alpha_estimate, consistency, split_half
from reaudio_eval.evaluations.listening.answers import read_answers
from reaudio_eval.evaluations.listening.crossed import Crossed, crossed_mean, crossed_p, prompts_needed
from reaudio_eval.evaluations.listening.metric_agreement import metric_rows
from reaudio_eval.evaluations.listening.preferences import bradley_terry
from reaudio_eval.evaluations.listening.records import QUESTIONS, Key
from reaudio_eval.evaluations.listening.resampling import Draws, percentile_interval
from reaudio_eval.evaluations.listening.screening import Screened, screen
from reaudio_eval.frames.listening import CLIP_MEANS, LISTENING_FRAMES
from reaudio_eval.reports.text import count
from reaudio_eval.statistics.intervals import detectable_difference, holm
from reaudio_eval.statistics.rows import ALL
from reaudio_model.common.errors import ReaudioError

N_DRAWS = 2_000


@dataclass(frozen=True)
class ListeningAnalysis:
    """All numbers of a listening test; undefined numbers are NaN, with a ``reason``.

    Attributes:
        key: of the test.
        means, paired, strength, agreement, metrics: DataFrames, columns as in ``frames.listening.LISTENING_FRAMES``. ``p_holm`` is
            corrected over all pairs and strata of a question; ``strength`` is empty for ratings.
        clips, participants: ``frames.listening.CLIP_MEANS`` and ``PARTICIPANTS``.
        notes: what was left out, and what limits the result.
        keep_all, max_failed, seed: as given.
    """

    key: Key
    means: pd.DataFrame
    paired: pd.DataFrame
    strength: pd.DataFrame
    agreement: pd.DataFrame
    metrics: pd.DataFrame
    clips: pd.DataFrame
    participants: pd.DataFrame
    notes: tuple[str, ...]
    keep_all: bool
    max_failed: int
    seed: int

    @property
    def n_kept(self) -> int:
        """Participants who are not excluded."""
        return int((self.participants["excluded"] == "").sum())


def analyse_answers(
    key: Key, paths: Sequence[Path], *, keep_all: bool = False, max_failed: int = 0, seed: int = 0
) -> ListeningAnalysis:
    """Read answers and compute every number of the report; independent of the order of files, rows and participants.

    Args:
        key: of the test.
        paths: participants' CSV files, or folders of them.
        keep_all: exclude no participant.
        max_failed: attention checks a participant may fail.
        seed: of the bootstrap.

    Raises:
        ReaudioError: see :func:`reaudio_eval.evaluations.listening.answers.read_answers`; or every participant is excluded.
    """
    answers = read_answers(key, paths)
    screened = screen(key, answers.rows, keep_all=keep_all, max_failed=max_failed)
    if screened.ratings.empty:
        raise ReaudioError(
            "No participant is left after the exclusions: use --max-failed to allow failed checks, or --keep-all."
        )
    return ListeningAnalysis(
        key=key,
        **_frames(key, screened, Draws(seed, N_DRAWS)),
        participants=screened.participants,
        notes=(*key.notes, *answers.notes, *_notes(screened, keep_all)),
        keep_all=keep_all,
        max_failed=max_failed,
        seed=seed,
    )


def _frames(key: Key, screened: Screened, draws: Draws) -> dict[str, pd.DataFrame]:
    ratings = by_system(screened.ratings)
    rows = {
        "means": _means(key, ratings, draws),
        "paired": _paired(key, screened.ratings, draws),
        "strength": _strength(key, screened.ratings, draws),
        "agreement": _agreement(screened, ratings, draws),
        "metrics": _metrics(key, ratings, draws),
    }
    clips = ratings.groupby(["question", "prompt", "system"], as_index=False)["value"].agg(["mean", "size"])
    clips = CLIP_MEANS.check(clips.rename(columns={"mean": "value", "size": "n_answers"}))
    return {name: LISTENING_FRAMES[name].frame(content) for name, content in rows.items()} | {"clips": clips}


def by_system(ratings: pd.DataFrame) -> pd.DataFrame:
    """One row for each system of an answer; in a comparison 1 for the preferred system, 0 for the other."""
    first = ratings.rename(columns={"system_a": "system"}).drop(columns="system_b")
    compared = ratings[ratings["system_b"].notna()]
    second = compared.rename(columns={"system_b": "system"}).drop(columns="system_a").assign(value=1 - compared["value"])
    return pd.concat([first, second], ignore_index=True) if len(second) else first.reset_index(drop=True)


def _subsets(key: Key, ratings: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(question, stratum, answers): all prompts, then each stratum where there are several."""
    for question in QUESTIONS:
        answers = ratings[ratings["question"] == question]
        yield question, ALL, answers
        if len(key.strata) > 1:
            for stratum in key.strata:
                yield question, stratum, answers[answers["stratum"] == stratum]


def _sizes(crossed: Crossed, low: float, high: float) -> dict[str, Any]:
    """Columns of an estimate; its interval is clipped to the possible values [low, high]."""
    interval = crossed.estimate.interval
    return {
        "ci_low": float(np.maximum(low, interval.low)),
        "ci_high": float(np.minimum(high, interval.high)),
        "n_participants": crossed.n_participants,
        "n_prompts": len(crossed.prompts),
        "n_answers": crossed.n_answers,
        "reason": interval.reason,
    }


def _means(key: Key, ratings: pd.DataFrame, draws: Draws) -> list[dict[str, Any]]:
    rows = []
    limits = (0.0, 1.0) if key.design == "pairs" else (1.0, float(key.scale))
    for question, stratum, answers in _subsets(key, ratings):
        for system in key.systems:
            mean = crossed_mean(answers.assign(group=answers["system"]), {system.name: 1.0}, draws)
            keys = {"question": question, "stratum": stratum, "system": system.name, "value": mean.estimate.value}
            rows.append(keys | {"ci_method": mean.estimate.interval.method} | _sizes(mean, *limits))
    return rows


def _paired(key: Key, ratings: pd.DataFrame, draws: Draws) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    differences: list[Crossed] = []
    reach = 1.0 if key.design == "pairs" else key.scale - 1.0
    for question, stratum, answers in _subsets(key, ratings):
        for a, b in combinations([s.name for s in key.systems], 2):
            difference = _difference(key, answers, a, b, draws)
            interval = difference.estimate.interval
            keys = {"question": question, "stratum": stratum, "system_a": a, "system_b": b}
            detectable = detectable_difference(interval.se, interval.df)
            rows.append(
                keys
                | {"difference": difference.estimate.value, "detectable": detectable}
                | _sizes(difference, -reach, reach)
            )
            differences.append(difference)
    for row, p in zip(rows, crossed_p(differences, draws), strict=True):
        row["p_value"] = float(p)
    for question in QUESTIONS:
        tests = [row for row in rows if row["question"] == question]
        for row in tests:
            if row["n_prompts"] < prompts_needed(len(tests)):
                row["detectable"] = np.nan  # with so few prompts no difference is significant
        for row, p in zip(tests, holm([row["p_value"] for row in tests]), strict=True):
            row["p_holm"] = float(p)
    return rows


def _difference(key: Key, ratings: pd.DataFrame, a: str, b: str, draws: Draws) -> Crossed:
    if key.design == "pairs":
        both = ratings[(ratings["system_a"] == a) & (ratings["system_b"] == b)]
        return crossed_mean(both.assign(group="", value=2 * both["value"] - 1), {"": 1.0}, draws)
    return crossed_mean(ratings.assign(group=ratings["system_a"]), {a: 1.0, b: -1.0}, draws)


def _strength(key: Key, ratings: pd.DataFrame, draws: Draws) -> list[dict[str, Any]]:
    if key.design != "pairs":
        return []
    rows = []
    systems = [s.name for s in key.systems]
    for question in QUESTIONS:
        comparisons = ratings[ratings["question"] == question]
        if comparisons.empty:
            continue
        scores, drawn = bradley_terry(comparisons, systems, draws)
        smallest = min(comparisons["participant"].nunique(), comparisons["prompt"].nunique())
        for i, system in enumerate(systems):
            row: dict[str, Any] = {"question": question, "system": system, "value": float(scores[i])}
            if smallest < 2:
                row["reason"] = "one participant or one prompt: an interval needs at least 2 of each"
            else:
                interval = percentile_interval(drawn[:, i], smallest - 1, "participants and prompts")
                row |= {"ci_low": interval.low, "ci_high": interval.high, "reason": interval.reason}
            rows.append(row)
    return rows


def _agreement(screened: Screened, ratings: pd.DataFrame, draws: Draws) -> list[dict[str, Any]]:
    rows = []
    for question in QUESTIONS:
        answers = screened.ratings[screened.ratings["question"] == question]
        if answers.empty:
            continue
        alpha, interval = alpha_estimate(answers, draws)
        reliability, why = split_half(ratings[ratings["question"] == question], draws)
        n, alike, gap = consistency(screened.repeats[screened.repeats["question"] == question])
        rows.append(
            {
                "question": question,
                "alpha": alpha,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "reason": interval.reason,
                "split_half": reliability,
                "split_half_reason": why,
                "n_repeats": n,
                "repeats_alike": alike,
                "repeats_gap": gap,
            }
        )
    return rows


def _metrics(key: Key, ratings: pd.DataFrame, draws: Draws) -> list[dict[str, Any]]:
    generated = {s.name for s in key.systems if s.kind == "generated"}
    scores = pd.DataFrame(
        [(s.metric, s.system, s.clip_id, s.value) for s in key.scores if s.system in generated],
        columns=["metric", "system", "prompt", "score"],
    )
    rows = []
    for metric in key.metrics:
        values = scores[scores["metric"] == metric.name]
        clips = values[values["prompt"].notna()][["prompt", "system", "score"]]
        whole = dict(zip(*values.loc[values["prompt"].isna(), ["system", "score"]].T.to_numpy(), strict=True))
        for question in QUESTIONS:
            answered = ratings[(ratings["question"] == question) & ratings["system"].isin(generated)]
            if answered.empty:
                continue
            rows += [
                {"metric": metric.name, "question": question} | row
                for row in metric_rows(metric, clips, whole, answered, draws)
            ]
    return rows


def _notes(screened: Screened, keep_all: bool) -> list[str]:
    people = screened.participants
    out = people[people["excluded"] != ""]
    notes = []
    if len(out):
        reasons = "; ".join(f"{p} {why}" for p, why in zip(out["participant"], out["excluded"], strict=True))
        notes.append(f"{count(len(out), 'participant')} of {len(people)} excluded: {reasons}.")
    elif keep_all:
        notes.append("No participant is excluded, whatever the result of the attention checks (--keep-all).")
    part = int(((people["answered"] < 1) & (people["excluded"] == "")).sum())
    if part:
        notes.append(f"{count(part, 'participant')} did not finish; their answers are included.")
    return notes
