"""Schemas of the zero-shot, sweep, plan and compare evaluations."""

from __future__ import annotations

from reaudio_eval.frames.schema import (
    CI_METHOD,
    DETECTABLE,
    DIFFERENCE,
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
    SYSTEM,
    TESTED,
    VALUE,
    Schema,
    by_name,
    count,
    flag,
    number,
    text,
)

_REGIME = text("regime", "name of the training regime of the class")
_N_POOL = count("n_pool", "clips of the class in the retrieval pool, NA where the pool is unknown")
ZEROSHOT_FRAMES = by_name(
    Schema(
        "systems", "A system and its training.",
        SYSTEM,
        text(
            "role",
            '"system", "control" (what systems are compared with), "copy" (nearest neighbour unchanged), "oracle" (receives the real '
            'clip), "real" or "noise"',
        ),
        text("trained_on", "its training data, in words"),
        flag("training_known", "whether the classes in its training are known"),
    ),
    Schema(
        "regimes", "A training regime with a class among the prompts.",
        _REGIME, text("title", "for readers"), text("meaning", "definition in words"), N_CLASSES, N_CLIPS,
    ),
    Schema(
        "classes", "A class of the prompts.",
        LABEL, NAME, _REGIME, N_TRAIN, _N_POOL, count("n_test", "scored clips with the class"),
    ),
    Schema(
        "by_regime", "Macro mean of a metric over the classes of a regime that are not in the system's own training data.",
        SYSTEM, METRIC, _REGIME, VALUE, *INTERVAL, CI_METHOD, N_CLASSES, N_CLIPS,
        count("n_seen", "classes left out because they are in the system's own training data"), REASON,
    ),
    Schema(
        "per_class", "The mean of a metric of a system over the clips of a class.",
        SYSTEM, METRIC, LABEL, NAME, _REGIME, N_TRAIN, _N_POOL, N_CLIPS, VALUE,
        text("status", '"" or "seen": no value, since the class is in the system\'s own training data'),
    ),
    Schema(
        "paired", "The paired difference system - against, over the classes in neither side's own training data.",
        METRIC, _REGIME, SYSTEM, text("against", "system that is subtracted"), text("role", "role of against"),
        DIFFERENCE, *INTERVAL, *PRECISION, *TESTED, FAMILY, DETECTABLE, POWER_NOTE, N_CLASSES, N_CLIPS, REASON,
    ),
)  # fmt: skip

_CELL = text("cell", "name of the setting, a system of the analysis")
_REFERENCE = flag("reference", "whether it is the reference setting")
_NUMBERS = (
    METRIC,
    text("stratum", '"all" (clips), "classes" (mean over all classes), "gap_head_tail" or the name of a stratum'),
    VALUE,
    *INTERVAL,
    N_CLASSES,
    N_CLIPS,
    REASON,
    number("difference", "paired difference to the reference, NaN for the reference itself"),
    number("difference_low", "lower end of its 95 % interval"),
    number("difference_high", "upper end of its 95 % interval"),
    *PRECISION,
    *TESTED,
    FAMILY,
    DETECTABLE,
    POWER_NOTE,
)
SWEEP_FRAMES = by_name(
    Schema(
        "cells", "A setting that was run.",
        _CELL, _REFERENCE,
        count("k", "retrieved pairs"),
        count("steps", "denoising steps"),
        number("guidance", "guidance scale"),
        text("retrieval", "parts of the retrieved pairs that the model is conditioned on"),
        count("candidates", "candidates of each clip"),
        count("seed", "seed"),
        count("captions", "which caption of each clip, from 1"),
        number("seconds_per_clip", "seconds of generation, NaN where not measured"),
        text("run", "run directory"),
    ),
    Schema("numbers", "A metric of a setting in a stratum.", _CELL, *_NUMBERS),
    Schema(
        "curves", "A row of numbers by factor and value, once for each factor that the setting lies on.",
        text("factor", "name of the factor"), text("setting", "its value, in words"), _CELL, _REFERENCE, *_NUMBERS,
    ),
    Schema(
        "spread", "The spread of a metric over a factor of chance (seed, caption).",
        text("factor", "name of the factor"), METRIC, text("stratum", '"all" or the name of a stratum'),
        count("n", "settings"),
        number("mean", "mean of the values"),
        number("sd", "standard deviation (n - 1)"),
        number("low", "smallest value"),
        number("high", "largest value"),
        number("half_width", "half the width of the reference's 95 % interval"),
    ),
)  # fmt: skip

_PER_CLASS = count("per_class", "prompts of each class")
_SEEDS = count("seeds", "clips of each prompt")
_POWER = (
    number("power", "proportion of the simulated reports that show it, 0 to 1"),
    number("power_low", "lower end of the 95 % interval of the simulation"),
    number("power_high", "upper end of the 95 % interval of the simulation"),
)
PLAN_FRAMES = by_name(
    Schema(
        "spread", "A source of the spread of the difference of two systems on a clip.",
        text("source", '"classes", "clips" (of a class, over many seeds) or "seeds" (of a clip)'),
        number("sd", "standard deviation in the unit of the metric, NaN where unknown"),
        text("known_by", '"pilot", "given", or "unknown": part of the clips'),
    ),
    Schema(
        "power", "A design and its power.",
        count("classes", "classes"), _PER_CLASS, _SEEDS, count("n_clips", "clips that a system generates"), *_POWER,
    ),
    Schema(
        "needed", "The fewest classes with the power asked for.",
        _PER_CLASS, _SEEDS,
        count("classes", "classes, missing where they are more than can be simulated"),
        count("n_clips", "clips that a system generates, missing without classes"), *_POWER,
        number("share_classes", "proportion of the variance of the mean that comes from the classes, 0 to 1"),
        REASON,
    ),
)  # fmt: skip

CROSSCHECK_FRAMES = by_name(
    Schema(
        "crosscheck", "A metric of ours and of a package.",
        METRIC,
        text("package", "name of the package on PyPI"),
        number("ours", "our value"),
        number("same_waveforms", "value of the package's network on our waveforms"),
        number("own_reading", "value of the package's network on the files as the package reads them"),
        number("difference_same", "same_waveforms less ours"),
        number("difference_own", "own_reading less ours"),
        text("cause", "what makes the difference, with the effect of each"),
    ),
    Schema(
        "causes", "A convention of a package that changes a metric, added to those of the rows before it.",
        METRIC,
        text("package", "name of the package on PyPI"),
        text("change", "the convention, and ours"),
        VALUE,
        number("effect", "value less the value before it"),
    ),
)  # fmt: skip

PROTOCOLS_FRAME = Schema(
    "protocols", "A metric under a protocol.",
    text("protocol", "name of the protocol"),
    METRIC, VALUE,
    number("difference", "value less that of the protocol compared with"),
    N_CLIPS,
    text("cause", "conventions that differ, in words"),
    REASON,
)  # fmt: skip

COMPARED_RUNS = Schema(
    "runs", "A run of a comparison.",
    SYSTEM,
    text("run", "run directory"),
    count("seed", "seed of the run"),
    text("created", "ISO 8601 time"),
    count("n_clips", "clips of the run"),
    text("version", "version of reaudio-eval that scored it"),
    text("code_sha256", "hash of the scoring code"),
    text("list_sha256", "hash of the list of prompts"),
    text("protocol", "name of the protocol"),
)  # fmt: skip

PUBLISHED = Schema(
    "published", "A number that others published.",
    text("dataset", "dataset"),
    SYSTEM,
    text("metric", "key of the published metrics"),
    text("value", "the number as printed"),
    text("source", "paper or repository"),
    text("protocol", "embedder and conventions, where the source names them"),
    text("prompts", "list of clips, as far as the source says"),
    text("evidence", "where the number was read"),
)  # fmt: skip

GENERATE_FRAMES = by_name(
    Schema(
        "clips", "A clip of a system.",
        SYSTEM, count("seed", "of the run"), text("clip_id", "of the prompt"), text("file", "path of the audio file"),
    ),
)  # fmt: skip
