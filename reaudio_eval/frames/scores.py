"""Schemas of scores and of the run directory."""

from __future__ import annotations

from reaudio_eval.frames.schema import (
    CI_METHOD,
    CLIP_ID,
    EMBEDDER,
    INTERVAL,
    LABEL,
    METRIC,
    N_CLIPS,
    N_TRAIN,
    NAME,
    REASON,
    STRATUM,
    SYSTEM,
    VALUE,
    Column,
    Schema,
    count,
    flag,
    number,
    text,
)

_LABEL = text("label", "class of a label-level value, None for a clip-level value")

# Of a prompt with several clips (seeds) or several raters.
_N_VALUES = count("n_values", "seeds (or raters) that value is the mean of; 0 where it is undefined", optional=True)
_SD_VALUES = number(
    "sd_values", "standard deviation (n - 1) of the values of the seeds; NaN for fewer than two", optional=True
)

SCORES = Schema(
    "scores", "A value of a clip-level or label-level metric.", CLIP_ID, METRIC, _LABEL, VALUE, _N_VALUES, _SD_VALUES
)

SEED_VALUES = Schema(
    "seed_values",
    "A value of a metric with the clips of one seed; the value in SCORES or SET_VALUES is the mean over the seeds.",
    count("seed", "seed of the clips"),
    METRIC,
    text("clip_id", "id of the clip, None for a set metric"),
    _LABEL,
    text("stratum", "as in SET_VALUES, None for a value of a clip or label"),
    VALUE,
)

SET_VALUES = Schema(
    "set_values",
    "A value of a metric of a set of clips.",
    METRIC,
    text("stratum", '"all" for every clip, else the stratum of the rarest label of the clips'),
    VALUE,
    Column("replicates", "list", "delete-a-group jackknife values, same groups for every system; [] where not available"),
    *INTERVAL,
    CI_METHOD,
    N_CLIPS,
    number("floor", "the metric between two disjoint halves of the real clips, floor_n clips each"),
    number(
        "matched", "between generated clips of one half and real clips of the other, floor_n each; compare it with floor"
    ),
    count("floor_n", "clips in each half"),
    REASON,
)

COPIES = Schema(
    "copies",
    "The similarity of a clip to what was retrieved for its prompt.",
    CLIP_ID,
    EMBEDDER,
    text("neighbour_id", "id of the nearest retrieved clip"),
    number("similarity", "its cosine similarity to the clip, -1 to 1"),
    number("real_similarity", "largest cosine similarity of the real clip to any of the same neighbours, -1 to 1"),
)

RUN_PROMPTS = Schema(
    "prompts.parquet",
    "A prompt.",
    CLIP_ID,
    text("caption", "text of the prompt"),
    Column("labels", "list", "class ids"),
    flag("labels_known", "whether the labels are trusted"),
    Column("source_id", "text", "recording that the clip was cut from, or empty", optional=True),
    Column("split", "text", "split of the dataset that the prompt belongs to, or empty", optional=True),
    Column("in_sets", "flag", "whether metrics of sets of clips count the clip; absent where they count all", optional=True),
)

RUN_LABELS = Schema(
    "labels.parquet",
    "A class of the training set, the retrieval pool or a prompt.",
    LABEL,
    NAME,
    N_TRAIN,
    Column("n_pool", "count", "clips of the class in the retrieval pool, where the pool is known", optional=True),
)

RUN_CLIPS = Schema("clips.parquet", "An audio file of the system.", CLIP_ID, text("path", "absolute path"))

RUN_SCORES = Schema(
    "scores.parquet",
    "A row of SCORES with what it belongs to.",
    count("schema_version", "version of the run directory"),
    CLIP_ID,
    SYSTEM,
    METRIC,
    EMBEDDER,
    VALUE,
    _LABEL,
    N_TRAIN,
    STRATUM,
    count("seed", "seed of the run"),
    _N_VALUES,
    _SD_VALUES,
)
