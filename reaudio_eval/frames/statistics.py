"""Schemas of the long-tail and copying analyses."""

from __future__ import annotations

from reaudio_eval.frames.schema import (
    CI_METHOD,
    CLIP_ID,
    DETECTABLE,
    DIFFERENCE,
    EMBEDDER,
    FAMILY,
    INTERVAL,
    LABEL,
    METRIC,
    N_CLASSES,
    N_CLIPS,
    N_TRAIN,
    NAME,
    POWER_NOTE,
    PRECISION,
    REASON,
    STRATUM,
    SYSTEM,
    TESTED,
    VALUE,
    Column,
    Schema,
    by_name,
    count,
    number,
    text,
)
from reaudio_eval.frames.scores import COPIES, SET_VALUES

_FLOOR, _MATCHED, _FLOOR_N = (next(c for c in SET_VALUES.columns if c.name == n) for n in ("floor", "matched", "floor_n"))
_NORMALISED = number("normalised", "(value - noise) / (real - noise); NaN unless both exist and differ enough")
_QUANTITY = text(
    "quantity", '"all" (clips), "classes" (mean over all classes), the name of a stratum, "gap_head_tail" or "slope"'
)
_MARGIN = (
    number(
        "p_noninferior",
        "one-sided p-value that the system is worse than its control by the margin or more, after Holm's correction over the confirmatory "
        "means; NaN for other differences",
        optional=True,
    ),
    number(
        "p_equivalent",
        "larger one-sided p-value that they differ by the margin or more, corrected alike; NaN for other differences",
        optional=True,
    ),
)
_AT_COUNT = number("n_train", "training clips")

_SHRUNKEN = tuple(
    Column(name, "number", meaning, optional=True)
    for name, meaning in (
        ("shrunken", "class score shrunken towards what the model expects of such a class, NaN without a model"),
        ("shrunken_low", "lower end of its 95 % interval, NaN without one"),
        ("shrunken_high", "upper end of its 95 % interval, NaN without one"),
    )
)

LONGTAIL_FRAMES = by_name(
    Schema(
        "labels", "A class of the training set or a prompt.",
        LABEL, NAME, N_TRAIN, count("n_test", "clips of the test set with the class"), STRATUM,
    ),
    Schema(
        "strata_sizes", "A stratum, most frequent first.",
        STRATUM,
        count("low", "smallest training count"),
        count("high", "first training count above the stratum, missing for the first"),
        count("n_classes_train", "its classes with a training clip"),
        count("n_classes_test", "its classes with a test clip"),
        count("n_clips_any", "test clips with one of its classes"),
        count("n_clips_rarest", "test clips whose rarest class is in it"),
    ),
    Schema(
        "overall", "A metric of a system over all clips.",
        SYSTEM, METRIC, VALUE, *INTERVAL, CI_METHOD, N_CLIPS, _FLOOR, _MATCHED, _FLOOR_N, REASON,
    ),
    Schema(
        "by_stratum",
        "A metric of a system in a stratum: macro mean over its classes, or a set metric of the clips whose rarest class is in it.",
        SYSTEM, METRIC, STRATUM, VALUE, *INTERVAL, CI_METHOD, N_CLASSES, N_CLIPS, _NORMALISED, _FLOOR, REASON,
    ),
    Schema(
        "per_class", "The mean of a metric of a system over the clips of a class.",
        SYSTEM, METRIC, LABEL, NAME, N_TRAIN, STRATUM, N_CLIPS, VALUE, _NORMALISED, *_SHRUNKEN,
    ),
    Schema(
        "curve", "A point of the smooth of class means on log10(1 + n_train).",
        SYSTEM, METRIC, _AT_COUNT, VALUE, *INTERVAL,
    ),
    Schema(
        "bins", "The mean of the class means in a bin of training counts.",
        SYSTEM, METRIC, _AT_COUNT, VALUE, *INTERVAL, N_CLASSES,
    ),
    Schema(
        "trend", "How a metric of a system depends on the training count.",
        SYSTEM, METRIC,
        text(
            "statistic",
            '"slope", "gap_head_tail", "ratio_tail_head", "spearman", "worst_10pct", "macro", "micro", "frequency_weighted" or '
            '"macro_without_ubiquitous"',
        ),
        VALUE, *INTERVAL, N_CLASSES, REASON,
    ),
    Schema(
        "paired", "The paired difference of two systems, system_a - system_b.",
        METRIC, _QUANTITY, text("system_a", "first system"), text("system_b", "second system"),
        DIFFERENCE, *INTERVAL, *PRECISION, *TESTED, FAMILY, *_MARGIN, DETECTABLE, POWER_NOTE, N_CLIPS, N_CLASSES, REASON,
    ),
    Schema(
        "clip_scores", "A metric of a system on a clip; label-level metrics averaged over the labels of the clip.",
        SYSTEM, CLIP_ID, METRIC, VALUE,
    ),
)  # fmt: skip

_ESTIMATE = (VALUE, *INTERVAL, CI_METHOD, N_CLIPS, REASON)
COPYING_FRAMES = by_name(
    Schema(
        "retrieved", "A pair that a system retrieved for a prompt.",
        SYSTEM, CLIP_ID,
        count("rank", "0 for the nearest"),
        text("neighbour_id", "id of the retrieved clip"),
        text("caption", "caption of the retrieved clip"),
        text("source_id", "recording of the retrieved clip, or empty"),
        number("similarity", "similarity at retrieval, as the system stored it"),
    ),
    Schema(
        "leaks", "Prompts of a system whose neighbours hold the answer.",
        SYSTEM,
        text("kind", '"target", "same_source", "identical_caption" or "any"'),
        count("n", "prompts affected"),
        count("n_prompts", "prompts of the test set"),
        number("share", "proportion of the prompts affected, 0 to 1"),
    ),
    Schema(
        "leak_scores", "The mean of a metric over affected or clean prompts.",
        METRIC,
        text("group", '"affected" or "clean"'),
        SYSTEM,
        text("minus", 'system without retrieval whose values are subtracted, "" for the own mean'),
        *_ESTIMATE,
    ),
    Schema(
        "copies", "The similarity of a clip of a system to what was retrieved for its prompt.",
        SYSTEM, *COPIES.columns, number("excess", "similarity - real_similarity"),
    ),
    Schema(
        "summary", "The similarities of a system under an embedder.",
        SYSTEM, EMBEDDER,
        text("quantity", '"similarity", "real_similarity", "excess", "near_copies" (proportion above limit) or "limit"'),
        *_ESTIMATE,
    ),
)  # fmt: skip

_BASELINE = text("baseline", "system that is subtracted")
CLASS_DIFFERENCES = Schema(
    "class_differences",
    "The difference of a system to the baseline on the clips of a class.",
    METRIC,
    SYSTEM,
    _BASELINE,
    LABEL,
    NAME,
    N_TRAIN,
    STRATUM,
    N_CLIPS,
    VALUE,
    number("baseline_value", "mean of the baseline on the same clips"),
    DIFFERENCE,
    *INTERVAL,
    CI_METHOD,
    REASON,
)
BASELINE_DIFFERENCES = Schema(
    "baseline_differences",
    "The paired difference of a system to the baseline.",
    METRIC,
    _QUANTITY,
    SYSTEM,
    _BASELINE,
    DIFFERENCE,
    *INTERVAL,
    *PRECISION,
    *TESTED,
    FAMILY,
    *_MARGIN,
    DETECTABLE,
    POWER_NOTE,
    N_CLIPS,
    N_CLASSES,
    REASON,
)
