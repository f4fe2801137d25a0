"""Packages of the cross-check: their metrics, and how they read files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reaudio_eval.features.differences import rule_differences
from reaudio_eval.features.feature_set import FeatureSet
from reaudio_eval.features.protocols import WaveformRule
from reaudio_model.common.resample import Samples
from reaudio_model.common.seeds import clip_seed

CLAP_SAMPLES = 480_000
Read = Callable[[Path, int, int], Samples]


@dataclass(frozen=True)
class Package:
    """A package beside one of our embedders.

    Attributes:
        name: on PyPI.
        ours: our embedder.
        theirs: the embedder that is the package's network.
        metrics: patterns of the names of the metrics that are compared.
        rule: how it reads a file, as far as a rule can say it.
        own_resampler: whether no rule can say how it resamples.
        reads: what its own code does beside, in words, and a function that reads a file with it: at a rate in Hz, with a seed for what it
            does at random. Each adds something to the one before; the last is the package's reading.
        distance: its own Frechet distance; None where it has no formula of the metrics.
    """

    name: str
    ours: str
    theirs: str
    metrics: tuple[str, ...]
    rule: WaveformRule
    own_resampler: bool
    reads: tuple[tuple[str, Read], ...]
    distance: Callable[[FeatureSet, FeatureSet], float] | None = None

    def steps(self, ours: WaveformRule) -> list[tuple[str, WaveformRule]]:
        """From our rule to the package's, one convention after the other: what changes, in words, and the rule after it."""
        goal = dataclasses.replace(self.rule, resampler=ours.resampler) if self.own_resampler else self.rule
        found, rule = [], ours
        for difference in rule_differences(ours, goal):
            rule = dataclasses.replace(rule, **{difference.field: getattr(goal, difference.field)})
            found.append((str(difference), rule))
        return found


def _read_frechet_audio_distance(path: Path, sample_rate: int, _seed: int) -> Samples:
    from frechet_audio_distance.utils import load_audio_task

    return np.asarray(load_audio_task(str(path), sample_rate, 1), dtype=np.float32)


def _frechet_audio_distance(generated: FeatureSet, reference: FeatureSet) -> float:
    import warnings

    from frechet_audio_distance import FrechetAudioDistance

    package: Any = FrechetAudioDistance  # its statistics use nothing of their object
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sqrtm(disp=False) is deprecated
        parts = [each for side in (reference, generated) for each in package.calculate_embd_statistics(None, side.frames)]
        return float(package.calculate_frechet_distance(None, *parts))


def _read_librosa(path: Path, sample_rate: int, _seed: int) -> Samples:
    import librosa

    return np.asarray(librosa.load(path, sr=sample_rate, mono=True)[0], dtype=np.float32)


def _read_16_bits(path: Path, sample_rate: int, seed: int) -> Samples:
    from laion_clap.training.data import float32_to_int16, int16_to_float32

    return np.asarray(int16_to_float32(float32_to_int16(_read_librosa(path, sample_rate, seed))), dtype=np.float32)


def _read_laion_clap(path: Path, sample_rate: int, seed: int) -> Samples:
    """As ``get_audio_embedding_from_filelist`` does, which draws the part of longer clips anew in every run."""
    samples = _read_16_bits(path, sample_rate, seed)
    spare = max(0, len(samples) - CLAP_SAMPLES)
    start = int(np.random.default_rng(clip_seed(seed, path.stem)).integers(spare + 1))
    return samples[start : start + CLAP_SAMPLES]


_LIBROSA = WaveformRule(mono="mean", remove_dc=False, resampler="soxr_hq")
PACKAGES = (
    Package(
        name="frechet-audio-distance",
        ours="vggish",
        theirs="frechet_audio_distance",
        metrics=("fad_{embedder}",),
        rule=WaveformRule(mono="mean", remove_dc=False),
        own_resampler=True,
        reads=(("resampy's resampler (kaiser_best) instead of ours", _read_frechet_audio_distance),),
        distance=_frechet_audio_distance,
    ),
    Package(
        name="panns-inference",
        ours="panns",
        theirs="panns_inference",
        metrics=("fd_{embedder}", "kl_{embedder}", "is_{embedder}"),
        rule=_LIBROSA,
        own_resampler=False,
        reads=(("librosa.load, as in the package's example", _read_librosa),),
    ),
    Package(
        name="laion-clap",
        ours="clap",
        theirs="laion_clap",
        metrics=("clap_score_{embedder}",),
        rule=_LIBROSA,
        own_resampler=False,
        reads=(
            ("16 bits by truncation instead of no rounding", _read_16_bits),
            ("10 s at random of longer clips instead of the first", _read_laion_clap),
        ),
    ),
)
# What the packages also offer, and why it is not used.
NOT_USED = {
    "frechet-audio-distance, PANNs": "its PANN mode joins the embeddings of all clips end to end, so that mean and covariance are those of "
    "single numbers (frechet_audio_distance/fad.py, `out['embedding'].data[0]`)",
    "frechet-audio-distance, CLAPScore": "it pairs captions in the order of the table with clips in the order of os.listdir, which is not "
    "that of the names (frechet_audio_distance/clap_score.py)",
}
