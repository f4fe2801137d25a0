"""Means over participants and prompts, with two-way clustered intervals.

Participants and prompts are both samples, and an interval must cover both.
A quantity is a mean over prompts of (differences of) clip means, so every prompt has the same weight whatever its number of answers. Its
interval is that over prompts (``resampling.mean_interval``), widened by the two-way clustered standard error (Cameron, Gelbach and Miller
2011) over participants and prompts, with Satterthwaite's degrees of freedom from the variance components. Answers of one participant, and
answers about one prompt, may depend on each other in any way. The p-value is the larger of two: sign flips of the prompts' values,
which are exact for few prompts but treat the participants as fixed, and the t test by the two-way standard error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as sps

from reaudio_eval.evaluations.listening.resampling import Draws, mean_interval
from reaudio_eval.evaluations.listening.sign_flips import sign_flip_p
from reaudio_eval.features.feature_set import IntArray
from reaudio_eval.scores.jackknife import LEVEL, Floats, Interval, no_interval
from reaudio_eval.statistics.intervals import Estimate, t_test_p, undefined
from reaudio_eval.statistics.thresholds import ALPHA


class Crossed(NamedTuple):
    """An estimate, with the terms of its sign-flip test against 0.

    Attributes:
        estimate: value and interval.
        terms: float64 (P,), the prompts' shares of the value, in the order of ``prompts``.
        prompts: their ids, sorted.
        n_participants, n_answers: behind it.
    """

    estimate: Estimate
    terms: Floats
    prompts: tuple[str, ...]
    n_participants: int
    n_answers: int


class _Answers(NamedTuple):
    """Answers about prompts that have every group: codes intp (n,) of participant, prompt and group; value float64 (n,)."""

    person: IntArray
    prompt: IntArray
    group: IntArray
    value: Floats
    prompts: tuple[str, ...]
    signs: Floats

    def clip_means(self) -> tuple[Floats, Floats]:
        """Mean and number of answers by prompt and group, float64 (P, G)."""
        shape = (len(self.prompts), len(self.signs))
        place = self.prompt * shape[1] + self.group
        n = np.bincount(place, minlength=shape[0] * shape[1]).astype(np.float64).reshape(shape)
        return np.bincount(place, self.value, minlength=n.size).reshape(shape) / n, n


def crossed_mean(frame: pd.DataFrame, signs: Mapping[str, float], draws: Draws) -> Crossed:
    """Mean over prompts of signed sums of clip means.

    Args:
        frame: a row an answer: participant, prompt, group str; value float. Clip means are taken within a group.
        signs: group -> its sign: one group for a mean, two with opposite signs for a difference. Prompts without an answer in each
            group do not take part.
        draws: bootstrap counts by prompt.
    """
    answers = _answers(frame, signs)
    if not answers.prompts:
        return Crossed(undefined("no clip of it was rated"), np.zeros(0), (), 0, 0)
    means, _ = answers.clip_means()
    per_prompt: Floats = means @ answers.signs
    n_people = len(np.unique(answers.person))
    estimate = Estimate(float(per_prompt.mean()), _interval(answers, per_prompt, n_people, draws))
    return Crossed(estimate, per_prompt / len(per_prompt), answers.prompts, n_people, len(answers.value))


def _answers(frame: pd.DataFrame, signs: Mapping[str, float]) -> _Answers:
    frame = frame[frame["group"].isin(list(signs))]
    groups = frame.groupby("prompt")["group"].nunique()
    frame = frame[frame["prompt"].isin(groups.index[groups == len(signs)])]
    prompts, prompt = np.unique(frame["prompt"].to_numpy(dtype=str), return_inverse=True)
    _, person = np.unique(frame["participant"].to_numpy(dtype=str), return_inverse=True)
    place = {name: i for i, name in enumerate(signs)}
    return _Answers(
        person,
        prompt,
        np.array([place[g] for g in frame["group"]], dtype=np.intp),
        frame["value"].to_numpy(dtype=np.float64),
        tuple(map(str, prompts)),
        np.array(list(signs.values()), dtype=np.float64),
    )


def _interval(answers: _Answers, per_prompt: Floats, n_people: int, draws: Draws) -> Interval:
    n_prompts, value = len(per_prompt), float(per_prompt.mean())
    if n_people < 2:
        return no_interval(f"{n_people} participant: an interval needs at least 2")
    interval = mean_interval(per_prompt, draws, answers.prompts, "prompts")
    if interval.reason is not None:
        return interval
    variance, df = _two_way(answers, n_people)
    alone = float(per_prompt.var(ddof=1)) / n_prompts
    stretch = sps.t.ppf((1 + LEVEL) / 2, df) / sps.t.ppf((1 + LEVEL) / 2, n_prompts - 1)
    factor = max(1.0, float(np.sqrt(variance / alone) * stretch))
    return Interval(
        low=value - factor * (value - interval.low),
        high=value + factor * (interval.high - value),
        se=float(np.sqrt(max(variance, alone))),
        df=df,
        method=f"{interval.method}, widened for participants",
    )


def _two_way(answers: _Answers, n_people: int) -> tuple[float, float]:
    """Variance of the value and its degrees of freedom, from residuals clustered by participant, by prompt and by both."""
    means, n = answers.clip_means()
    n_prompts = len(means)
    residual = answers.value - means.mean(axis=0)[answers.group]
    share = answers.signs[answers.group] * residual / (n_prompts * n[answers.prompt, answers.group])
    by_person, by_prompt = _clustered(share, answers.person), _clustered(share, answers.prompt)
    rest = _clustered(share, answers.person * n_prompts + answers.prompt)
    people, prompts = max(by_person - rest, 0.0), max(by_prompt - rest, 0.0)
    # The excess of either clustering over the residual is the variance of that factor; the sum is at least the larger of the two. Half the
    # residual goes to the degrees of freedom of either factor: benchmarks/listening_coverage.py prints the simulated coverage.
    variance = people + prompts + rest
    parts = (people + rest / 2) ** 2 / (n_people - 1) + (prompts + rest / 2) ** 2 / (n_prompts - 1)
    return variance, float(variance**2 / parts) if parts > 0 else float(min(n_people, n_prompts) - 1)


def _clustered(share: Floats, cluster: IntArray) -> float:
    """Variance of the sum of ``share`` when clusters are independent, float64 (n,) and intp (n,)."""
    _, codes = np.unique(cluster, return_inverse=True)
    sums = np.bincount(codes, share)
    return float(len(sums) / max(1, len(sums) - 1) * np.sum(sums**2))


def prompts_needed(n_tests: int) -> int:
    """The fewest prompts with which a sign-flip test can be significant at ``ALPHA`` after Holm's correction over ``n_tests``: P prompts
    that all agree give p = 2**(1 - P)."""
    return 1 + math.ceil(math.log2(n_tests / ALPHA))


def crossed_p(quantities: Sequence[Crossed], draws: Draws) -> Floats:
    """Two-sided p-values against 0, float64 (q,); NaN where there is no interval."""
    prompts = tuple(sorted({p for q in quantities for p in q.prompts}))
    place = {p: i for i, p in enumerate(prompts)}
    terms = np.zeros((len(prompts), len(quantities)))
    for column, quantity in enumerate(quantities):
        terms[[place[p] for p in quantity.prompts], column] = quantity.terms
    flips = sign_flip_p(terms, draws.rng(("sign flips", *prompts)))
    by_t = np.array([t_test_p(*q.estimate) if q.estimate.interval.reason is None else np.nan for q in quantities])
    p_values: Floats = np.where(np.isnan(by_t), np.nan, np.maximum(flips, by_t))
    return p_values
