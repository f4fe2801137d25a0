"""Simulated scores with known means, on real label structures.

A world has the labels of a real test set, a distribution of scores, effects of classes and effects of clips. Its target is the expected
mean of a quantity: over the classes that could have been drawn, for classes taken as a sample; labels on many clips, whose effects are
fixed in every inference, keep the effects they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import special

from reaudio_eval import plugins
from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import Range
from reaudio_eval.statistics.class_table import ClassTable, class_table
from reaudio_eval.statistics.scale import Scale
from reaudio_model.common.progress import Reporter

Kind = Literal["accuracy", "log-normal", "cosine"]
Level = Literal["label", "clip"]
SCALES: Mapping[Kind, Scale] = {
    "accuracy": Scale.of(Range(0.0, 1.0)),
    "log-normal": Scale.of(Range(0.0, None)),
    "cosine": Scale.of(Range(-1.0, 1.0)),
}
CLASS_SD: Mapping[Kind, float] = {"accuracy": 0.5, "log-normal": 0.25, "cosine": 0.1}  # logit, logarithm, cosine
COSINE_MEAN, COSINE_SD = 0.3, 0.12
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class World:
    """A distribution of scores.

    Attributes:
        kind: 0 or 1 with a probability, log-normal as a divergence, or normal as a CLAP score.
        parameter: the probability, or the standard deviation of the logarithm; not used by "cosine".
        level: a value for each label of a clip, or one for the clip.
        class_effects: standard deviation of the effects of classes, in ``CLASS_SD``.
        clip_effects: share of the variance of the noise that the labels of a clip have in common.
        slope: added to the logit, logarithm or cosine for ten times the training clips.
    """

    kind: Kind
    parameter: float
    level: Level
    class_effects: float = 0.0
    clip_effects: float = 0.0
    slope: float = 0.0

    @property
    def title(self) -> str:
        of = "" if self.kind == "cosine" else f" {self.parameter:g}"
        return f"{self.kind}{of}"


def structures(audiocaps: Path | None) -> dict[str, ClassTable]:
    """Name -> clips, classes and strata: AudioCaps' test set with two schemes, where its tables are at hand, and the miniature."""
    found = {}
    if audiocaps is not None and audiocaps.is_dir():
        dataset = plugins.load("datasets", "audiocaps").load(DatasetOptions(audiocaps, reporter=Reporter(quiet=True)))
        found |= {f"AudioCaps {s}": class_table(dataset, strata_scheme(s, dataset.train_counts)) for s in ("log10", "lvis")}
    plugin = plugins.load("datasets", "miniature")
    dataset = plugin.load(DatasetOptions(reporter=Reporter(quiet=True)))
    found["miniature"] = class_table(dataset, strata_scheme(str(plugin.defaults.strata), dataset.train_counts))
    return found


class Sampler:
    """Draws scores of a world on one label structure.

    Args:
        table: clips and classes.
        world: distribution of the scores.
        rng: source of randomness.
    """

    def __init__(self, table: ClassTable, world: World, rng: np.random.Generator) -> None:
        self.table, self.world, self.rng = table, world, rng
        rows, classes = np.nonzero(table.member)
        member = table.member[table.member.any(axis=1)].astype(np.float64)
        if world.level == "label":
            self.weights = np.zeros((len(rows), len(table.labels)))
            self.weights[np.arange(len(rows)), classes] = 1.0
            self.clip = np.unique(rows, return_inverse=True)[1]
        else:
            self.weights = member / member.sum(axis=1, keepdims=True)
            self.clip = np.arange(len(member))
        self.trend = self.weights @ (table.log_count - table.log_count.mean()) * world.slope
        self.random_sd = np.sqrt((self.weights[:, ~table.fixed] ** 2).sum(axis=1))

    def effects(self) -> Floats:
        """Effects of the classes, (C,)."""
        return self.rng.standard_normal(len(self.table.labels)) * self.world.class_effects * CLASS_SD[self.world.kind]

    def noise(self, shared: Floats | None = None) -> Floats:
        """Standard normal noise of the observations, with the world's share of ``shared`` clip effects."""
        own = self.rng.standard_normal(len(self.clip))
        share = self.world.clip_effects if self.world.level == "label" else 0.0
        clips = self.rng.standard_normal(int(self.clip.max()) + 1) if shared is None else shared
        noise: Floats = np.sqrt(share) * clips[self.clip] + np.sqrt(1 - share) * own
        return noise

    def scores(self, effects: Floats, noise: Floats, shift: Floats | float = 0.0) -> Floats:
        """Scores of the observations, of classes with these effects."""
        predictor = self.weights @ effects + self.trend + shift
        if self.world.kind == "accuracy":
            probability = special.expit(special.logit(self.world.parameter) + predictor)
            return (special.ndtr(noise) < probability).astype(np.float64)
        if self.world.kind == "log-normal":
            return np.exp(predictor + self.world.parameter * noise)
        scores: Floats = COSINE_MEAN + predictor + COSINE_SD * noise
        return scores

    def expected(self, effects: Floats, sampled: bool = True, shift: Floats | float = 0.0) -> Floats:
        """Expected scores of the observations, with other classes in place of those with random effects (``sampled``)."""
        kept = np.where(self.table.fixed, effects, 0.0) if sampled else effects
        spread = (
            self.random_sd * self.world.class_effects * CLASS_SD[self.world.kind] if sampled else np.zeros(len(self.clip))
        )
        predictor = (self.weights @ kept + self.trend + shift)[:, None] + spread[:, None] * _POINTS
        if self.world.kind == "accuracy":
            mean = special.expit(special.logit(self.world.parameter) + predictor)
        elif self.world.kind == "log-normal":
            mean = np.exp(predictor + self.world.parameter**2 / 2)
        else:
            mean = COSINE_MEAN + predictor
        expected: Floats = mean @ _WEIGHTS
        return expected

    def array(self, observations: Floats) -> Floats:
        """Values as ``class_table.score_arrays`` has them: (n,) by clip, or (n, C) by clip and label."""
        if self.world.level == "label":
            values = np.full(self.table.member.shape, np.nan)
            values[self.table.member] = observations
            return values
        by_clip = np.full(len(self.table.clip_ids), np.nan)
        by_clip[self.table.member.any(axis=1)] = observations
        return by_clip
