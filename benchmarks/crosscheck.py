"""Our networks, metrics and Frechet distance beside laion-clap, frechet-audio-distance and panns-inference themselves.

    make crosscheck

These packages need NumPy 1 and so an environment of their own (``crosscheck-constraints.txt``). Nothing is downloaded: weights are random,
written to files in the published layouts and read back by both sides. Differences of networks are the largest absolute difference over the
largest absolute value of the reference. "contrast" is the same measure between the reference's own rows (clips, texts, pairs of samples): a
tolerance far below it tells them apart. Then ``reaudio-eval crosscheck`` scores two folders of noise: stereo, at 44.1 kHz, with an offset
and one clip longer than 10 s, so that every convention of the packages has an effect.
"""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read at the first import

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
from random_checkpoints import CAPTIONS, write_clap, write_panns, write_vggish
from scipy.special import expit

import reaudio_eval
from reaudio_eval import plugins
from reaudio_eval.features.embedders import TextEmbedder

NETWORK_TOLERANCE = 1e-5  # the same network in fp32, operations in another order: 1.5e-6 at most was seen
FULL_RANK_TOLERANCE = 1e-10  # float64 on both sides: 3e-15 was seen
SINGULAR_TOLERANCE = 1e-6  # sqrtm takes roots of eigenvalues that should be 0 and are 1e-16: 1.4e-8 was seen
MIN_CONTRAST = 100  # tolerances
N_CLIPS = 20  # Inception Score needs them
CAUSES = {
    "fad_vggish": ["the channel mean", "DC kept", "resampy"],
    "fd_panns": ["the channel mean", "librosa"],
    "kl_panns": ["the channel mean", "librosa"],
    "clap_score": ["the channel mean", "librosa", "at random"],
}

Array = npt.NDArray[Any]


class Check(NamedTuple):
    """ours, theirs: the same quantity, one row a clip, text or pair of samples."""

    what: str
    ours: Array
    theirs: Array
    tolerance: float

    def line(self) -> tuple[bool, str]:
        scale = np.abs(self.theirs).max()
        difference = np.abs(self.ours - self.theirs).max() / scale
        contrast = np.ptp(self.theirs, axis=0).max() / scale
        ok = bool(difference <= self.tolerance and contrast >= MIN_CONTRAST * self.tolerance)
        verdict = "ok" if ok else "FAIL"
        return ok, f"{self.what:<46}{difference:12.1e}{self.tolerance:12.0e}{contrast:11.1e}   {verdict}"


def noise_clips(sample_rate: int) -> list[npt.NDArray[np.float32]]:
    """Ten seconds of white noise, of low-pass noise and of noise that swells, the last one cut short."""
    white = np.random.default_rng(0).normal(0, 0.1, (3, 10 * sample_rate))
    low = np.convolve(white[1], np.ones(64) / 8, mode="same")
    clips = (white[0], low, (white[2] * np.linspace(0, 1, white.shape[1]) ** 4)[-10 * sample_rate // 3 :])
    return [clip.astype(np.float32) for clip in clips]


def check_embedders(ours: str, theirs: str, checkpoint: Path, sample_rate: int) -> Iterator[Check]:
    """The network of ours and that of a package, through our interface."""
    loaded = [
        plugins.load("embedders", name).load(checkpoint, sample_rate=sample_rate, device="cpu") for name in (ours, theirs)
    ]
    what = f"{theirs}, {checkpoint.stem}"
    one, other = ([*each.embed(noise_clips(sample_rate))] for each in loaded)
    yield Check(
        f"{what}: embeddings", *(np.concatenate([f.frames for f in each]) for each in (one, other)), NETWORK_TOLERANCE
    )
    if one[0].logits is not None:
        logits = ([expit(f.logits) for f in each] for each in (one, other))
        yield Check(f"{what}: probabilities", *map(np.stack, logits), NETWORK_TOLERANCE)
    if isinstance(loaded[0], TextEmbedder) and isinstance(loaded[1], TextEmbedder):
        texts = [each.embed_text(CAPTIONS) for each in loaded if isinstance(each, TextEmbedder)]
        yield Check(f"{what}: text embeddings", texts[0], texts[1], NETWORK_TOLERANCE)
        if loaded[0].encoder_sha256 != loaded[1].encoder_sha256:
            raise SystemExit(f"{what}: the networks have different identities")


def check_frechet(n: int, tolerance: float, width: int = 128) -> Check:
    from frechet_audio_distance import FrechetAudioDistance as Theirs

    from reaudio_eval.scores.metrics.fad import frechet_distance

    def reference(*samples: Array) -> float:  # these methods use nothing of their object
        statistics = [part for sample in samples for part in Theirs.calculate_embd_statistics(None, sample)]
        return float(Theirs.calculate_frechet_distance(None, *statistics))

    a, b = np.random.default_rng(0).standard_normal((2, n, width)) / np.sqrt(np.arange(1, width + 1))
    pairs = [(a, 1.1 * b + shift) for shift in (0.0, 0.1, 0.3)]
    ours, theirs = (np.array([distance(*pair) for pair in pairs]) for distance in (frechet_distance, reference))
    return Check(f"Frechet distance, d = {width}, n = {n}", ours, theirs, tolerance)


def network_checks(folder: Path) -> Iterator[Check]:
    yield from check_embedders("vggish", "frechet_audio_distance", write_vggish(folder), 16_000)
    yield check_frechet(500, FULL_RANK_TOLERANCE)
    yield check_frechet(64, SINGULAR_TOLERANCE)
    for rate in (16_000, 32_000):
        yield from check_embedders("panns", "panns_inference", write_panns(folder, rate), rate)
    for architecture in ("HTSAT-tiny", "HTSAT-base"):
        yield from check_embedders("clap", "laion_clap", write_clap(folder, architecture), 48_000)


def write_folders(folder: Path) -> None:
    """generated/, reference/ and captions.csv."""
    rate, random = 44_100, np.random.default_rng(0)
    for number, name in enumerate(("generated", "reference")):
        (folder / name).mkdir()
        for clip in range(N_CLIPS):
            n_samples = round(rate * (10.24 if clip == 0 else 1.0))
            width = 1 + (clip + 7 * number) % 12
            white = random.normal(0, 0.1, (n_samples, 2))
            stereo = np.stack([np.convolve(white[:, i], np.ones(width + i) / width, mode="same") for i in (0, 1)], axis=1)
            soundfile.write(folder / name / f"clip{clip:02d}.wav", stereo + 0.05, rate, "FLOAT")
    rows = [f'clip{clip:02d},"{CAPTIONS[clip % len(CAPTIONS)]}"' for clip in range(N_CLIPS)]
    (folder / "captions.csv").write_text("\n".join(["clip_id,caption", *rows, ""]))


def check_command(folder: Path) -> list[str]:
    """Run ``crosscheck`` on the folders and print its table; what is wrong."""
    write_folders(folder)
    names = {"vggish": "vggish.pth", "panns": "cnn14_16k.pth", "clap": "clap_tiny.pt"}
    found = reaudio_eval.crosscheck(
        folder / "generated",
        folder / "reference",
        captions=folder / "captions.csv",
        checkpoints={name: folder / file for name, file in names.items()},
        cache_dir=folder / "cache",
        output=folder / "crosscheck",
    )
    print(f"\n{found.to_text()}", flush=True)
    causes = {row.metric: row.cause for row in found.rows}
    wrong = [f"{row.metric} differs on the same waveforms" for row in found.rows if not row.agrees]
    wrong += [f"{name} is not computed" for name in (*CAUSES, "is_panns") if name not in causes]
    return wrong + [
        f"{name}: {part!r} is no cause"
        for name, parts in CAUSES.items()
        for part in parts
        if part not in causes.get(name, part)
    ]


def main() -> int:
    failed = []
    print(f"{'compared':<46}{'difference':>12}{'tolerance':>12}{'contrast':>11}")
    with tempfile.TemporaryDirectory() as name:
        for check in network_checks(Path(name)):
            ok, line = check.line()
            print(line, flush=True)
            failed += [] if ok else [check.what]
        failed += check_command(Path(name))
    for each in failed:
        print(f"FAIL: {each}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
