"""A cheap embedder for tests of the pipeline, written as a plug-in file, and folders of small clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

SAMPLE_RATE = 16_000

# Loudness in eight bands stands for an embedding; its logits are the same numbers. CALLS counts batches and clips.
EMBEDDER = '''
"""Band energies: a stand-in for a network in tests."""

import numpy as np

from reaudio_model.common.weights import sha256_file
from reaudio_eval.features.embedders import ClipFeatures, EmbedderPlugin, EmbedderSpec

CALLS = []


class Bands:
    encoder_sha256 = "the network of bands"

    def __init__(self, checkpoint, sample_rate):
        self.sha256, self.sample_rate = sha256_file(checkpoint), sample_rate

    def embed(self, waveforms):
        CALLS.append(len(waveforms))
        return [self._one(w) for w in waveforms]

    def _one(self, wave):
        power = np.abs(np.fft.rfft(wave)) ** 2 / len(wave)
        bands = np.log10([b.mean() + 1e-9 for b in np.array_split(power, 8)]).astype(np.float32)
        return ClipFeatures(bands[None], bands)

    def embed_text(self, captions):
        vectors = np.array([[len(c) + 1, *(c.count(x) for x in "aeiouyh")] for c in captions], dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class BandsPlugin(EmbedderPlugin):
    spec = EmbedderSpec("Bands", (16000,), False, True, True, "eight", 0.0, (), "tests")

    def load(self, checkpoint, *, sample_rate, device, cache_dir=None):
        return Bands(checkpoint, sample_rate)


PLUGIN = BandsPlugin()
'''


def write_embedder(folder: Path, name: str = "bands") -> Path:
    """Write the plug-in and a checkpoint for it; returns the checkpoint. ``folder`` goes into REAUDIO_PLUGINS."""
    path = folder / "embedders" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(EMBEDDER, encoding="utf-8")
    checkpoint = folder / f"{name}.bin"
    checkpoint.write_bytes(b"weights of " + name.encode())
    return checkpoint


def tone(pitch: float, seconds: float = 1.0, level: float = 0.3, seed: int = 0) -> npt.NDArray[np.float32]:
    """A sine with a little seeded noise: float32 (samples,)."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = 0.01 * np.random.default_rng(seed).standard_normal(len(t))
    return (level * np.sin(2 * np.pi * pitch * t) + noise).astype(np.float32)


def write_clips(folder: Path, clips: dict[str, npt.NDArray[np.float32]], suffix: str = ".wav") -> Path:
    """Write ``stem -> samples`` as audio files."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, samples in clips.items():
        soundfile.write(folder / f"{stem}{suffix}", samples, SAMPLE_RATE)
    return folder


def write_pair(folder: Path, n: int = 12, seconds: float = 0.5) -> tuple[Path, Path]:
    """Folders ``generated`` and ``reference`` with n clips of the same names."""
    real = {f"c{i:02d}": tone(200 + 90 * i, seconds, seed=i) for i in range(n)}
    ours = {f"c{i:02d}": tone(230 + 80 * i, seconds, level=0.2, seed=100 + i) for i in range(n)}
    return write_clips(folder / "generated", ours), write_clips(folder / "reference", real)
