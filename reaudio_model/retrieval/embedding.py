"""CLAP embeddings of a retrieval set, resumable.

Unreadable files are left out and listed. Finished batches are found again by the content of their clips, CLAP and code.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from reaudio_model.common.audio import content_sha256, decode_many
from reaudio_model.common.code import computation_sha256
from reaudio_model.common.digests import SEAL, check_safetensors, sealed_safetensors
from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.common.executors import Executor
from reaudio_model.common.files import atomic_write, canonical_sha256
from reaudio_model.common.progress import Reporter
from reaudio_model.common.ray_executor import WORKER_DEVICE, map_on_ray
from reaudio_model.common.resample import resample
from reaudio_model.retrieval.nearest import Vectors, check_vectors
from reaudio_model.retrieval.records import Pair

if TYPE_CHECKING:
    from reaudio_model.encoders.clap import Clap

_LOG = logging.getLogger(__name__)
PARTS_VERSION = 2  # increase when the stored format changes
CODE = ("reaudio_model.retrieval.embedding", "reaudio_model.encoders.clap")  # what computes the vectors
WHAT = "embeds pairs"
EmbedAudio = Callable[[Sequence[Path]], npt.ArrayLike]
EmbedText = Callable[[Sequence[str]], npt.ArrayLike]


class Embedders(NamedTuple):
    """Embedding functions of a retrieval set.

    Attributes:
        audio: files -> float (n, d), unit norm; raises AudioError for an unreadable file.
        text: captions -> float (n, d), unit norm.
        sha256: identity of the CLAP.
    """

    audio: EmbedAudio
    text: EmbedText
    sha256: str


class Workers(NamedTuple):
    """Where pairs are embedded instead of in this process.

    Attributes:
        executor: of Ray.
        load: device -> embedders, called in each worker; it can be pickled.
        on_gpu: whether this process would use a GPU.
    """

    executor: Executor
    load: Callable[[str], Embedders]
    on_gpu: bool


class EmbeddedPairs(NamedTuple):
    """pairs: those with readable audio, in order; audio, text: float32 (n, d), unit norm; left_out: clip ids of the others."""

    pairs: list[Pair]
    audio: Vectors
    text: Vectors
    left_out: list[str]


def clap_embedders(clap: Clap, jobs: int = 1) -> Embedders:
    """Embedders of a CLAP. Audio is decoded in ``jobs`` threads, mixed to mono and resampled; only its head is used."""

    def audio(paths: Sequence[Path]) -> Vectors:
        waveforms = []
        for decoded in decode_many(paths, jobs):
            if isinstance(decoded, AudioError):
                raise decoded
            waveforms.append(resample(decoded.samples.mean(axis=1), decoded.sample_rate, clap.sample_rate))
        vectors: Vectors = clap.embed_audio(waveforms).cpu().numpy()
        return vectors

    def text(captions: Sequence[str]) -> Vectors:
        vectors: Vectors = clap.embed_text(captions).cpu().numpy()
        return vectors

    return Embedders(audio, text, clap.sha256)


def load_clap_embedders(path: Path, cache_dir: Path, jobs: int, device: str) -> Embedders:
    """:func:`clap_embedders` of a checkpoint; see :func:`reaudio_model.encoders.clap.load_clap`."""
    from reaudio_model.common.inference import open_device
    from reaudio_model.encoders.clap import load_clap

    return clap_embedders(load_clap(path, device=open_device(device), cache_dir=cache_dir), jobs)


def embed_pairs(
    pairs: Sequence[Pair],
    embedders: Embedders,
    *,
    batch_size: int = 32,
    parts: Path | None = None,
    sha256: Mapping[str, str] | None = None,
    progress: Reporter | None = None,
    workers: Workers | None = None,
) -> EmbeddedPairs:
    """Embed ``pairs``.

    Args:
        pairs: with audio files.
        embedders: of files and captions.
        batch_size: pairs at a time.
        parts: folder for finished batches; with it an interrupted call resumes.
        sha256: clip_id -> of the bytes of its audio; None computes them if ``parts`` needs them.
        progress: reporter of progress; None shows nothing.
        workers: embed on Ray; None embeds here.

    Raises:
        ReaudioError: a file that is changed meanwhile, a batch size below 1, a pair without a file, none with readable audio, or
            invalid vectors.
    """
    if batch_size < 1:
        raise ReaudioError(f"--batch-size must be 1 or more, not {batch_size}.")
    without = next((pair.clip_id for pair in pairs if pair.audio is None), None)
    if without is not None:
        raise ReaudioError(f"The pair {without!r} has no audio file to embed.")
    known = hash_audio(pairs) if sha256 is None and parts is not None else sha256
    batches = [_Batch.of(pairs[start : start + batch_size], known) for start in range(0, len(pairs), batch_size)]
    files = [None if parts is None else parts / batch.name(embedders.sha256) for batch in batches]
    found = [None if file is None else _finished(file) for file in files]
    missing = [row for row, part in enumerate(found) if part is None]
    reporter = progress or Reporter(quiet=True)
    with reporter.stage("embedding", len(pairs)) as advance:
        advance(sum(len(batch.paths) for batch, part in zip(batches, found, strict=True) if part is not None))
        for number, part in _computed([batches[row] for row in missing], embedders, workers, reporter):
            row = missing[number]
            found[row] = part
            if (file := files[row]) is not None:
                _store(file, part)
            advance(len(batches[row].paths))
    vectors = [part for part in found if part is not None]
    readable = np.concatenate([part.readable for part in vectors]) if vectors else np.zeros(0, bool)
    if not readable.any():
        raise ReaudioError(f"None of the {len(pairs)} pairs has an audio file that can be read.")
    return EmbeddedPairs(
        [pair for pair, ok in zip(pairs, readable, strict=True) if ok],
        np.concatenate([part.audio for part in vectors])[readable],
        np.concatenate([part.text for part in vectors])[readable],
        [pair.clip_id for pair, ok in zip(pairs, readable, strict=True) if not ok],
    )


def hash_audio(pairs: Sequence[Pair]) -> dict[str, str]:
    """clip_id -> SHA-256 (hex) of the bytes of its audio, "" if it cannot be opened."""
    return {pair.clip_id: _sha256(pair.audio) for pair in pairs if pair.audio is not None}


def _sha256(path: Path) -> str:
    try:
        return content_sha256(path)
    except AudioError:  # reported when it is decoded
        return ""


class _Batch(NamedTuple):
    """Captions and files of some pairs; sha256: of the bytes of each file, or None if nothing depends on them."""

    captions: list[str]
    paths: list[Path]
    sha256: list[str] | None

    @classmethod
    def of(cls, pairs: Sequence[Pair], sha256: Mapping[str, str] | None) -> _Batch:
        hashes = None if sha256 is None else [sha256[pair.clip_id] for pair in pairs]
        return cls([pair.caption for pair in pairs], [pair.audio for pair in pairs if pair.audio is not None], hashes)

    def name(self, encoder_sha256: str) -> str:
        """Name of the file of its vectors: by captions, audio, CLAP and code."""
        identity = [PARTS_VERSION, encoder_sha256, computation_sha256(*CODE), self.captions, self.sha256]
        return f"{canonical_sha256(identity)}.safetensors"

    def require_unchanged(self) -> None:
        """Check, after the files were read, that they are still those that were hashed.

        Raises:
            ReaudioError: one was replaced.
        """
        for path, expected in zip(self.paths, self.sha256 or (), strict=False):
            if _sha256(path) != expected:
                raise ReaudioError(f"The audio file {path} was changed while it was embedded: repeat the command.")


class _Part(NamedTuple):
    """audio, text: float32 (m, d), zeros for audio that cannot be read; readable: bool (m,)."""

    audio: Vectors
    text: Vectors
    readable: npt.NDArray[np.bool_]


def _finished(path: Path) -> _Part | None:
    """The vectors of a batch from an earlier call."""
    from safetensors.numpy import load_file

    if not path.is_file():
        return None
    if check_safetensors(path):
        return _Part(**load_file(path))
    _LOG.warning("The finished batch %s was damaged: it is computed again.", path)
    return None


def _store(path: Path, part: _Part) -> None:
    from safetensors.numpy import save

    atomic_write(path, sealed_safetensors(save(part._asdict(), SEAL)))


def _computed(
    batches: Sequence[_Batch], embedders: Embedders, workers: Workers | None, reporter: Reporter
) -> Iterator[tuple[int, _Part]]:
    """Number of a batch and its vectors, as they are finished."""
    if workers is None:
        yield from ((number, _embed(batch, embedders)) for number, batch in enumerate(batches))
        return
    worker = partial(_on_worker, workers.load, embedders.sha256, WORKER_DEVICE[workers.on_gpu])
    yield from map_on_ray(worker, batches, workers.executor, on_gpu=workers.on_gpu, what=WHAT, reporter=reporter)


def _on_worker(load: Callable[[str], Embedders], sha256: str, device: str) -> Callable[[_Batch], _Part]:
    """What a worker on Ray computes with: the CLAP of this process, loaded there."""
    embedders = load(device)
    if embedders.sha256 != sha256:
        raise ReaudioError("A worker on Ray loaded another CLAP than this process: give it the same file.")
    return partial(_embed, embedders=embedders)


def _embed(batch: _Batch, embedders: Embedders) -> _Part:
    text = check_vectors(embedders.text(batch.captions), "The text embeddings")
    audio = np.zeros_like(text)
    try:
        audio[:] = check_vectors(embedders.audio(batch.paths), "The audio embeddings", text.shape[1])
        readable = np.ones(len(audio), bool)
    except AudioError:
        readable = _embed_one_by_one(batch.paths, embedders, audio)
    batch.require_unchanged()
    return _Part(audio, text, readable)


def _embed_one_by_one(paths: Sequence[Path], embedders: Embedders, out: Vectors) -> npt.NDArray[np.bool_]:
    """Fill the rows of ``out`` with readable files; returns a mask of these rows."""
    readable = np.zeros(len(paths), bool)
    for row, path in enumerate(paths):
        try:
            out[row] = check_vectors(embedders.audio([path]), "The audio embeddings", out.shape[1])[0]
            readable[row] = True
        except AudioError as error:
            _LOG.warning("Left out: %s", error)
    return readable
