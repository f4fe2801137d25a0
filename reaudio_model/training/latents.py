"""Cached latents of the training clips.

Files are found again by the content of their clips, the VAE, its settings and the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save
from torch import Tensor

from reaudio_model.codec.mel import log_mel, normalise_waveform
from reaudio_model.common.audio import content_sha256, decode
from reaudio_model.common.code import computation_sha256
from reaudio_model.common.digests import SEAL, check_safetensors, sealed_safetensors
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, canonical_sha256
from reaudio_model.common.inference import exact_inference, network_sha256
from reaudio_model.common.json_files import as_read_back
from reaudio_model.common.progress import Reporter
from reaudio_model.common.resample import resample
from reaudio_model.common.tensor_files import TensorFiles
from reaudio_model.config import CodecConfig
from reaudio_model.retrieval.clip_check import changed
from reaudio_model.retrieval.records import Pair

FORMAT = 2
QUIET = Reporter(quiet=True)


class LatentStore:
    """Posteriors of the VAE for a list of clips, computed once: float16 in memory-mapped safetensors, 131 KB a clip at full size.

    Made by :func:`build_latents`.
    """

    def __init__(self, files: Sequence[Path], rows: int, size: int) -> None:
        self.files, self.rows, self.size = list(files), rows, size
        self._tensors = TensorFiles()

    def __len__(self) -> int:
        return self.size

    def draw(self, clip: int, rng: np.random.Generator) -> Tensor:
        """A sample of the scaled latent, float32 (channels, time, frequency)."""
        path, row = self.files[clip // self.rows], clip % self.rows
        mean, std = (self._tensors[path][name][row].float() for name in ("mean", "std"))
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
    sha256: Mapping[str, str] | None = None,
    progress: Reporter = QUIET,
) -> LatentStore:
    """Encode the first ``config.seconds`` of each clip; an interrupted build resumes.

    Files of other clips, another VAE or other code in ``folder`` are not used; damaged ones are computed again.

    Args:
        pairs: with audio files.
        vae: in evaluation mode.
        config: its sizes.
        folder: for the files.
        batch_size: clips encoded at a time.
        rows: clips in a file.
        sha256: clip_id -> of the bytes of its audio; None computes them.
        progress: reports every finished file, and in a note what is not used.

    Raises:
        ReaudioError: a clip without audio, or one that is changed meanwhile; the disk is full.
        AudioError: a file that cannot be decoded.
    """
    known = {pair.clip_id: content_sha256(_audio(pair)) for pair in pairs} if sha256 is None else sha256
    identity = _identity(vae, config)
    blocks = [pairs[start : start + rows] for start in range(0, len(pairs), rows)]
    files = [_file(folder, identity, [known[pair.clip_id] for pair in block]) for block in blocks]
    whole = [file for file in files if check_safetensors(file)]
    _note(folder, files, whole, progress)
    with progress.stage("latents", len(pairs)) as advance:
        for file, block in zip(files, blocks, strict=True):
            if file not in whole:
                batches = [block[i : i + batch_size] for i in range(0, len(block), batch_size)]
                means, stds = zip(*(_posterior(batch, vae, config, known) for batch in batches), strict=True)
                tensors = {"mean": torch.cat(means).contiguous(), "std": torch.cat(stds).contiguous()}
                atomic_write(file, sealed_safetensors(save(tensors, SEAL)))
            advance(len(block))
    return LatentStore(files, rows, len(pairs))


def _identity(vae: AutoencoderKL, config: CodecConfig) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "vae": network_sha256(vae),
        "scaling_factor": vae.config.scaling_factor,
        "codec": {k: v for k, v in as_read_back(asdict(config)).items() if not k.startswith("vocoder")},
        "code": computation_sha256("reaudio_model.training.latents", "reaudio_model.codec.codec"),
    }


def _file(folder: Path, identity: dict[str, Any], sha256: list[str]) -> Path:
    return folder / f"latents-{canonical_sha256([identity, sha256])[:32]}.safetensors"


def _note(folder: Path, files: Sequence[Path], whole: Sequence[Path], progress: Reporter) -> None:
    damaged = sum(file.exists() and file not in whole for file in files)
    if damaged:
        progress.note(f"{damaged} of {len(files)} files of latents in {folder} are damaged: they are computed again")
    unused = set(folder.glob("latents-*.safetensors")) - set(files)
    if unused:
        progress.note(
            f"{folder} also holds {len(unused)} files of latents of other clips, another VAE or other code, which are not used"
        )


def _posterior(
    pairs: Sequence[Pair], vae: AutoencoderKL, config: CodecConfig, sha256: Mapping[str, str]
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the scaled latents, float16 (n, channels, time, frequency)."""
    waveforms = torch.stack([_head(pair, config, sha256[pair.clip_id]) for pair in pairs])
    with exact_inference():
        mel = log_mel(waveforms.to(vae.device), config.mel)
        posterior = vae.encode(mel[:, None].to(vae.dtype)).latent_dist
        scale = vae.config.scaling_factor
        return (posterior.mean * scale).half().cpu(), (posterior.std * scale).half().cpu()


def _head(pair: Pair, config: CodecConfig, sha256: str) -> Tensor:
    """The first ``config.seconds`` of a clip, normalised, padded with zeros."""
    audio = decode(_audio(pair))
    if audio.sha256 != sha256:
        raise changed(pair)
    head = resample(audio.samples.mean(axis=1), audio.sample_rate, config.mel.sample_rate)[: config.n_samples]
    level = normalise_waveform(torch.from_numpy(head))
    return torch.nn.functional.pad(level, (0, config.n_samples - len(level)))


def _audio(pair: Pair) -> Path:
    if pair.audio is None:
        raise ReaudioError(f"The clip {pair.clip_id!r} has no audio file: training needs the audio of every clip.")
    return pair.audio
