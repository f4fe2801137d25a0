"""Schemas of the listening test."""

from __future__ import annotations

from reaudio_eval.frames.schema import (
    CI_METHOD,
    DETECTABLE,
    INTERVAL,
    METRIC,
    REASON,
    SYSTEM,
    TESTED,
    Schema,
    by_name,
    count,
    number,
    text,
)

_QUESTION = text("question", '"OVL" (overall quality) or "REL" (relevance to the text)')
_STRATUM = text("stratum", '"all" or the name of a stratum')
_PROMPT = text("prompt", "clip id of the prompt")
_PARTICIPANT = text("participant", "name of the participant")
_FORM = text("form", "name of the form")
_ITEM = text("item", "id of the item")
_PAIR = (text("system_a", "first system"), text("system_b", "second system; None for a single rating"))
_RATING = number("value", "rating, or for pairs 1 (system_a preferred), 0.5 (no difference), 0 (system_b preferred)")
_SIZES = (
    count("n_participants", "participants behind the number"),
    count("n_prompts", "prompts behind the number"),
    count("n_answers", "answers behind the number"),
    REASON,
)
_MEAN = number("value", "mean rating, or for pairs the proportion of comparisons won (no difference is half a win)")

ANSWERS = Schema(
    "answers", "An answer of a participant, as given.",
    _PARTICIPANT, _FORM, _ITEM, _QUESTION,
    text("answer", "rating, or A, B or = of a pair"),
    number("played", "how often the clips were played to the end, at least 1"),
    number("seconds", "time on the item"),
)  # fmt: skip

RATINGS = Schema(
    "ratings", "An answer about an item to rate, as a number.",
    _PARTICIPANT, _FORM, _ITEM, text("kind", '"rating" or "repeat"'), _PROMPT, text("stratum", "stratum of the prompt"), _QUESTION,
    *_PAIR, _RATING,
)  # fmt: skip

REPEATS = Schema(
    "repeats", "Both answers to an item that was presented twice.",
    _PARTICIPANT, _ITEM, _QUESTION, number("first", "first answer"), number("second", "second answer"),
)  # fmt: skip

PARTICIPANTS = Schema(
    "participants", "A participant.",
    _PARTICIPANT,
    text("forms", "names of the forms answered"),
    count("n_answers", "answers"),
    number("answered", "proportion of the questions answered, 0 to 1"),
    count("checks", "attention checks answered"),
    count("failed", "attention checks failed"),
    number("minutes", "time on the items"),
    text("excluded", "why the participant is excluded, else empty"),
)  # fmt: skip

CLIP_MEANS = Schema(
    "clips", "The mean rating of a clip.",
    _QUESTION, _PROMPT, SYSTEM, _MEAN, count("n_answers", "answers"),
)  # fmt: skip

LISTENING_FRAMES = by_name(
    Schema("means", "The mean of a system.", _QUESTION, _STRATUM, SYSTEM, _MEAN, *INTERVAL, CI_METHOD, *_SIZES),
    Schema(
        "paired", "The difference of two systems.",
        _QUESTION, _STRATUM, *_PAIR,
        number("difference", "system_a - system_b of ratings, or for pairs the proportion that prefers a minus that which prefers b"),
        *INTERVAL, *TESTED, DETECTABLE, *_SIZES,
    ),
    Schema(
        "strength", "The Bradley-Terry score of a system, for pairs.",
        _QUESTION, SYSTEM, number("value", "log odds; all systems sum to 0"), *INTERVAL, REASON,
    ),
    Schema(
        "agreement", "The agreement of participants.",
        _QUESTION, number("alpha", "Krippendorff's alpha, at most 1"), *INTERVAL, REASON,
        number("split_half", "reliability of clip means, 0 to 1"),
        text("split_half_reason", "why split_half is undefined, else None"),
        count("n_repeats", "answers to repeated items"),
        number("repeats_alike", "proportion of repeated answers that are equal, 0 to 1"),
        number("repeats_gap", "mean absolute difference of repeated answers"),
    ),
    Schema(
        "metrics", "The agreement of a metric with the participants.",
        METRIC, _QUESTION,
        text("level", '"clip", "system" or "choice"'),
        text("statistic", '"spearman", "kendall", or "accuracy" of a choice'),
        number("value", "correlation, -1 to 1, or accuracy, 0 to 1"),
        *INTERVAL, count("n", "clips, systems or choices"), REASON,
    ),
)  # fmt: skip
