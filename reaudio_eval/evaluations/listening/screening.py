"""Exclusion of participants, and answers as numbers.

Participants are excluded for failed attention checks, unfinished forms and constant answers. A check is passed when the answer is the
obvious one. Ratings: noise, and a clip of another prompt, are rated no higher than the
middle of the scale (noise on both questions, the other on relevance). Pairs: the real clip is preferred to noise on both questions, and
to the clip of another prompt on relevance.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reaudio_eval.evaluations.listening.records import FIRST, OVL, QUESTIONS, REL, SECOND, Clip, Item, Key
from reaudio_eval.frames.listening import PARTICIPANTS, RATINGS, REPEATS

MIN_ANSWERED = 0.5  # of a form's questions; a participant with fewer is left out
MIN_UNIFORM = 6  # equal answers to a question that are taken as constant


@dataclass(frozen=True)
class Screened:
    """Answers of the participants who are not excluded.

    Attributes:
        ratings, repeats, participants: DataFrames, columns as in ``frames.listening``; systems of pairs in the order of the key,
            excluded participants in the last one only.
    """

    ratings: pd.DataFrame
    repeats: pd.DataFrame
    participants: pd.DataFrame


def screen(key: Key, answers: pd.DataFrame, *, keep_all: bool = False, max_failed: int = 0) -> Screened:
    """Apply the rules of exclusion and turn answers into numbers.

    Args:
        key: of the test.
        answers: ``Answers.rows``.
        keep_all: exclude no participant; failed checks are counted all the same.
        max_failed: checks that may fail.
    """
    items = {i.item: i for f in key.forms for i in f.items}
    people = PARTICIPANTS.frame(
        _participant_row(key, items, str(name), own, keep_all, max_failed)
        for name, own in answers.groupby("participant", sort=True)
    )
    kept = set(people.loc[people["excluded"] == "", "participant"])
    numbers = _numbers(key, items, answers[answers["participant"].isin(kept)])
    return Screened(numbers[numbers["kind"] == "rating"].reset_index(drop=True), _repeats(items, numbers), people)


def _participant_row(
    key: Key, items: dict[str, Item], name: str, answers: pd.DataFrame, keep_all: bool, max_failed: int
) -> dict[str, str | int | float]:
    failed, checks = _failed_checks(key, items, answers)
    forms = sorted(set(answers["form"]))
    n_questions = sum(len(f.items) * len(QUESTIONS) for f in key.forms if f.form in forms)
    answered = len(answers) / n_questions
    reasons = []
    if answered < MIN_ANSWERED:
        reasons.append(f"answered {answered:.0%} of the form")
    if failed > max_failed:
        reasons.append(f"failed {failed} of {checks} attention checks")
    if _uniform(key, items, answers):
        reasons.append("gave one answer to everything")
    return {
        "participant": name,
        "forms": " ".join(forms),
        "n_answers": len(answers),
        "answered": answered,
        "checks": checks,
        "failed": failed,
        "minutes": float(answers.drop_duplicates("item")["seconds"].sum()) / 60,
        "excluded": "" if keep_all else "; ".join(reasons),
    }


def _failed_checks(key: Key, items: dict[str, Item], answers: pd.DataFrame) -> tuple[int, int]:
    """Checks failed and checks answered; a check of two questions fails when one does."""
    outcome: dict[str, bool] = {}
    for item_id, question, answer in zip(answers["item"], answers["question"], answers["answer"], strict=True):
        item = items[item_id]
        asked = {"noise": (OVL, REL), "mismatch": (REL,)}.get(item.kind, ())
        if question in asked:
            outcome[item_id] = outcome.get(item_id, True) and _passed(key, item, answer)
    return sum(not passed for passed in outcome.values()), len(outcome)


def _passed(key: Key, item: Item, answer: str) -> bool:
    if key.design == "mos":
        return int(answer) <= (key.scale + 1) / 2
    return answer in (FIRST, SECOND) and not _is_bad(item, item.clips[0 if answer == FIRST else 1])


def _is_bad(item: Item, clip: Clip) -> bool:
    """Whether a clip of a check is noise or belongs to another prompt."""
    return clip.system is None or clip.clip_id != item.prompt


def _uniform(key: Key, items: dict[str, Item], answers: pd.DataFrame) -> bool:
    rated = answers[[items[i].kind in ("rating", "repeat") for i in answers["item"]]]
    return key.design == "mos" and len(rated) >= MIN_UNIFORM * len(QUESTIONS) and rated["answer"].nunique() == 1


def _numbers(key: Key, items: dict[str, Item], answers: pd.DataFrame) -> pd.DataFrame:
    order = {s.name: i for i, s in enumerate(key.systems)}
    strata = {p.clip_id: p.stratum for p in key.prompts}
    rows = []
    for row in answers.to_dict("records"):
        item = items[row["item"]]
        if item.kind not in ("rating", "repeat"):
            continue
        systems, value = _value(item, row["answer"], order)
        shared = {name: row[name] for name in ("participant", "form", "item", "question")}
        about = {"kind": item.kind, "prompt": item.prompt, "stratum": strata[item.prompt]}
        rows.append(shared | about | {"system_a": systems[0], "system_b": systems[1], "value": value})
    return RATINGS.frame(rows)


def _value(item: Item, answer: str, order: dict[str, int]) -> tuple[tuple[str, str | None], float]:
    """The systems in the key's order (the second None for a rating), and the answer as a number about the first."""
    names = [c.system for c in item.clips if c.system is not None]
    if len(names) == 1:
        return (names[0], None), float(answer)
    value = {FIRST: 1.0, SECOND: 0.0}.get(answer, 0.5)
    first, second = sorted(names, key=lambda n: order[n])
    return (first, second), value if first == names[0] else 1 - value


def _repeats(items: dict[str, Item], numbers: pd.DataFrame) -> pd.DataFrame:
    second = numbers[numbers["kind"] == "repeat"]
    second = second.assign(first_item=pd.Series([items[i].repeats for i in second["item"]], second.index, dtype=object))
    first = numbers[["participant", "item", "question", "value"]].rename(columns={"item": "first_item", "value": "first"})
    joined = second.merge(first, on=["participant", "first_item", "question"]).rename(columns={"value": "second"})
    return REPEATS.select(joined).reset_index(drop=True)
