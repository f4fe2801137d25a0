"""Cached latents of the training clips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from reaudio_model.codec.mel import log_mel, normalise_waveform
from reaudio_model.common.audio import decode
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, canonical_sha256, json_bytes
from reaudio_model.common.inference import exact_inference, network_sha256
from reaudio_model.common.progress import Reporter
from reaudio_model.common.resample import resample
from reaudio_model.config import CodecConfig
from reaudio_model.retrieval.records import Pair

FORMAT = 1
QUIET = Reporter(quiet=True)


class LatentStore:
    """Posteriors of the VAE for a list of clips, computed once: float16 in memory-mapped safetensors, 131 KB a clip at full size.

    Made by :func:`build_latents`.
    """

    def __init__(self, files: Sequence[Path], rows: int, size: int) -> None:
        self.files, self.rows, self.size = list(files), rows, size
        self._open: dict[Path, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return self.size

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}  # memory maps are opened again in a data-loading process

    def draw(self, clip: int, rng: np.random.Generator) -> Tensor:
        """A sample of the scaled latent, float32 (channels, time, frequency)."""
        path, row = self.files[clip // self.rows], clip % self.rows
        if path not in self._open:
            try:
                with safe_open(path, framework="pt") as file:  # memory maps: a row is read when it is used
                    self._open[path] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
            except (OSError, SafetensorError) as error:
                raise ReaudioError(
                    f"{path} is missing or damaged: remove its folder; the latents are computed again."
                ) from error
        mean, std = (self._open[path][name][row].float() for name in ("mean", "std"))
        noise: Tensor = torch.from_numpy(rng.standard_normal(mean.shape, np.float32))
        latent: Tensor = mean + std * noise
        return latent


def build_latents(
    pairs: Sequence[Pair],
    vae: AutoencoderKL,
    config: CodecConfig,
    folder: Path,
    *,
    batch_size: int = 8,
    rows: int = 256,
    progress: Reporter = QUIET,
) -> LatentStore:
    """Encode the first ``config.seconds`` of each clip; an interrupted build resumes.

    Args:
        pairs: with audio files.
        vae: in evaluation mode.
        config: its sizes.
        folder: new, or of the same clips and VAE.
        batch_size: clips encoded at a time.
        rows: clips in a file.
        progress: reports every finished file.

    Raises:
        ReaudioError: ``folder`` has latents of other clips or of another VAE; the disk is full.
        AudioError: a file that cannot be decoded.
    """
    _claim(folder / "latents.json", _identity(pairs, vae, config) | {"rows": rows})
    files = [folder / f"latents-{start:08d}.safetensors" for start in range(0, len(pairs), rows)]
    with progress.stage("latents", len(pairs)) as advance:
        for number, file in enumerate(files):
            block = pairs[number * rows : (number + 1) * rows]
            if not file.exists():
                batches = [block[i : i + batch_size] for i in range(0, len(block), batch_size)]
                means, stds = zip(*(_posterior(batch, vae, config) for batch in batches), strict=True)
                atomic_write(file, save({"mean": torch.cat(means).contiguous(), "std": torch.cat(stds).contiguous()}))
            advance(len(block))
    return LatentStore(files, rows, len(pairs))


def _identity(pairs: Sequence[Pair], vae: AutoencoderKL, config: CodecConfig) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "vae": network_sha256(vae),
        "scaling_factor": vae.config.scaling_factor,
        "codec": {k: v for k, v in json.loads(json.dumps(asdict(config))).items() if not k.startswith("vocoder")},
        "clips": canonical_sha256([pair.clip_id for pair in pairs]),
    }


def _claim(path: Path, identity: dict[str, Any]) -> None:
    """Record the source of the latents, or refuse a folder with another source."""
    if not path.exists():
        atomic_write(path, json_bytes(identity))
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ReaudioError(f"{path} is damaged: remove its folder; the latents are computed again.") from error
    differing = [name for name in identity if found.get(name) != identity[name]]
    if differing:
        raise ReaudioError(
            f"{path.parent} has latents of another kind ({', '.join(differing)} differ): choose another folder."
        )


def _posterior(pairs: Sequence[Pair], vae: AutoencoderKL, config: CodecConfig) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the scaled latents, float16 (n, channels, time, frequency)."""
    waveforms = torch.stack([_head(pair, config) for pair in pairs])
    with exact_inference():
        mel = log_mel(waveforms.to(vae.device), config.mel)
        posterior = vae.encode(mel[:, None].to(vae.dtype)).latent_dist
        scale = vae.config.scaling_factor
        return (posterior.mean * scale).half().cpu(), (posterior.std * scale).half().cpu()


def _head(pair: Pair, config: CodecConfig) -> Tensor:
    """The first ``config.seconds`` of a clip, normalised, padded with zeros."""
    if pair.audio is None:
        raise ReaudioError(f"The clip {pair.clip_id!r} has no audio file: training needs the audio of every clip.")
    audio = decode(pair.audio)
    head = resample(audio.samples.mean(axis=1), audio.sample_rate, config.mel.sample_rate)[: config.n_samples]
    level = normalise_waveform(torch.from_numpy(head))
    return torch.nn.functional.pad(level, (0, config.n_samples - len(level)))
