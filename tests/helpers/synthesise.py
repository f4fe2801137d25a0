"""A small folder dataset made of synthetic sounds, and a tagger with random weights, so that the whole pipeline runs anywhere.

``python tests/helpers/synthesise.py FOLDER`` writes ``captions.csv``, ``counts.csv``, ``reference/``, ``good/`` (the real sounds with a
little noise), ``poor/`` (the same for frequent classes, noise for rare ones) and ``random_mn04.safetensors``.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

SAMPLE_RATE = 16_000
SECONDS = 2.0
# class -> training clips: every default stratum (head, medium, tail, zero-shot) has some
CLASSES = {
    "hum": 5000, "beep": 2000, "hiss": 1500, "pulse": 800, "sweep": 300, "chord": 120,
    "warble": 60, "click": 20, "buzz": 9, "chirp": 3, "drone": 1, "rumble": 0,
}  # fmt: skip
Wave = npt.NDArray[np.float32]


def _rng(*parts: object) -> np.random.Generator:
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def sound(label: str, take: int, seconds: float = SECONDS) -> Wave:
    """A tone complex whose pitch, modulation and noise share belong to the class, varied by take."""
    index = list(CLASSES).index(label)
    rng = _rng("sound", label, take)
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 110 * 2 ** (index / 3) * rng.uniform(0.95, 1.05)
    tone = sum(np.sin(2 * np.pi * pitch * k * t + rng.uniform(0, 6)) / k for k in range(1, 5))
    tremolo = 1 + 0.8 * np.sin(2 * np.pi * (1 + index) * t)
    noise = rng.standard_normal(len(t)) * (index % 4) / 6
    wave = tone * tremolo + noise
    sound: npt.NDArray[np.float32] = (0.3 * wave / np.abs(wave).max()).astype(np.float32)
    return sound


def write_dataset(folder: Path, takes: int = 3) -> Path:
    """Write the dataset and two systems' clips below ``folder``; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "counts.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("label", "n_train"), *CLASSES.items()])
    rows = []
    for label, count in CLASSES.items():
        for take in range(takes):
            clip_id = f"{label}{take}"
            rows.append((clip_id, f"the sound of a {label}", label))
            real = sound(label, take)
            rough = 0.05 * _rng("good", clip_id).standard_normal(len(real))
            noise = 0.2 * _rng("poor", clip_id).standard_normal(len(real))
            for system, wave in (("reference", real), ("good", real + rough), ("poor", real if count >= 1000 else noise)):
                path = folder / system / f"{clip_id}.wav"
                path.parent.mkdir(exist_ok=True)
                soundfile.write(path, wave.astype(np.float32), SAMPLE_RATE)
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("clip_id", "caption", "labels"), *rows])
    return folder


def write_random_tagger(path: Path) -> Path:
    """EfficientAT mn04's layout with seeded random weights."""
    import torch
    from safetensors.torch import save_file

    from reaudio_eval.features.embedders._efficientat import MobileNetV3

    torch.manual_seed(0)
    save_file(MobileNetV3(0.4).state_dict(), path)
    return path


if __name__ == "__main__":
    target = write_dataset(Path(sys.argv[1]))
    write_random_tagger(target / "random_mn04.safetensors")
