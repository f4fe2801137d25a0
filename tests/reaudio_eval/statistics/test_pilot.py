"""Spread of a pilot: recovered in worlds with known components, with and without seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from reaudio_eval.clips.system import Role, SystemInfo, SystemKind
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import Level, MetricInfo, SystemScores
from reaudio_eval.statistics.pilot import Pilot, pilot_spread
from reaudio_model.common.errors import ReaudioError

N_CLASSES, PER_CLASS = 150, 6
CLASS_SD, CLIP_SD, SEED_SD = 0.2, 0.3, 0.4  # of the difference; SEED_SD of one pair of seeds
LABELS = [f"l{i:03d}" for i in range(N_CLASSES)]
PROMPTS = tuple(Prompt(f"c{i:03d}-{j}", "x", (label,)) for i, label in enumerate(LABELS) for j in range(PER_CLASS))
DATA = Dataset("d", "test", PROMPTS, {label: 1 + 7 * i for i, label in enumerate(LABELS)}, {})
STRATA = strata_scheme("log10", DATA.train_counts)
CLOSE = 0.08  # relative: 900 clips of 150 classes


def metric(level: Level = "clip") -> MetricInfo:
    return MetricInfo("m", "M", level, True, "", "bands")


def scores(
    name: str, values: Floats, *, level: Level = "clip", kind: SystemKind = "generated", role: Role = "system"
) -> SystemScores:
    """values: float64 (clips, seeds); one seed has no further columns."""
    labels = [p.labels[0] if level == "label" else None for p in PROMPTS]
    frame = pd.DataFrame(
        {"clip_id": [p.clip_id for p in PROMPTS], "metric": "m", "label": labels, "value": values.mean(axis=1)}
    )
    if values.shape[1] > 1:
        frame["n_values"] = pd.array([values.shape[1]] * len(frame), dtype="Int64")
        frame["sd_values"] = values.std(axis=1, ddof=1)
    info = SystemInfo(name, kind, len(PROMPTS), role=role)
    return SystemScores(info, (metric(level),), SCORES.check(frame.astype({"label": object})), SET_VALUES.empty())


def world(seeds_mine: int, seeds_base: int, level: Level = "clip", seed: int = 0) -> tuple[SystemScores, SystemScores]:
    """A system 0.1 above its control; each has half of the variance over seeds."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0.1, CLASS_SD, N_CLASSES).repeat(PER_CLASS) + rng.normal(0, CLIP_SD, len(PROMPTS))
    shared = rng.normal(0, 1, len(PROMPTS))
    over_seeds = SEED_SD / np.sqrt(2)
    mine = (shared + own)[:, None] + rng.normal(0, over_seeds, (len(PROMPTS), seeds_mine))
    base = shared[:, None] + rng.normal(0, over_seeds, (len(PROMPTS), seeds_base))
    return scores("mine", mine, level=level), scores("base", base, level=level, role="control")


def found(systems: tuple[SystemScores, SystemScores], seed_sd: float | None = None, level: Level = "clip") -> Pilot:
    return pilot_spread(*systems, metric(level), DATA, STRATA, seed_sd)


@pytest.mark.parametrize("level", ["clip", "label"])
@pytest.mark.parametrize("seeds", [(4, 4), (3, 2), (4, 1)])  # with one seed the control is taken to vary like the system
def test_components_are_recovered(seeds: tuple[int, int], level: Level) -> None:
    pilot = found(world(*seeds, level=level), level=level)
    assert pilot.spread.classes == pytest.approx(CLASS_SD, rel=2 * CLOSE)
    assert pilot.spread.clips == pytest.approx(CLIP_SD, rel=2 * CLOSE)
    assert pilot.spread.seeds == pytest.approx(SEED_SD, rel=CLOSE)
    assert pilot.seeds_known
    assert (pilot.n_classes, pilot.n_clips) == (N_CLASSES, N_CLASSES * PER_CLASS)
    assert pilot.difference.interval.low < 0.1 < pilot.difference.interval.high


def test_with_one_seed_clips_hold_what_differs_between_seeds() -> None:
    pilot = found(world(1, 1))
    assert not pilot.seeds_known
    assert pilot.spread.seeds == 0
    assert pilot.spread.clips == pytest.approx(np.hypot(CLIP_SD, SEED_SD), rel=CLOSE)


def test_a_given_spread_over_seeds_is_taken_out_of_that_of_clips() -> None:
    pilot = found(world(1, 1), seed_sd=SEED_SD)
    assert pilot.seeds_known
    assert pilot.spread.seeds == SEED_SD
    assert pilot.spread.clips == pytest.approx(CLIP_SD, rel=2 * CLOSE)


def test_real_audio_has_no_seeds() -> None:
    mine, base = world(4, 1)
    real = replace(base, system=SystemInfo("real", "real", 1))
    assert found((mine, real)).spread.seeds == pytest.approx(SEED_SD / np.sqrt(2), rel=CLOSE)


def test_what_a_pilot_cannot_say_is_refused() -> None:
    mine, base = world(1, 1)
    with pytest.raises(ReaudioError, match="M has one value for all clips, so a pilot does not show its spread"):
        pilot_spread(mine, base, metric("set"), DATA, STRATA)
    empty = replace(base, scores=base.scores.iloc[:0])
    with pytest.raises(ReaudioError, match="base has no value of M: name another --metric"):
        found((mine, empty))
    one = replace(base, scores=base.scores.iloc[:1])
    with pytest.raises(
        ReaudioError, match="mine and base share 1 clip with known classes and values of M: a pilot needs at least 2"
    ):
        found((mine, one))
