"""Writing generated clips in batches, resumable after an interruption."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reaudio_model.common.audio import audio_bytes
from reaudio_model.common.executors import Executor
from reaudio_model.common.files import atomic_write, folder_lock, make_folder
from reaudio_model.common.progress import Reporter
from reaudio_model.common.ray_executor import WORKER_DEVICE, map_on_ray
from reaudio_model.pipeline.generation_record import MACHINES, NAMED, add_files, start_record

AUDIBLE = 1 / 2**16  # rounds to a sample of 16 bits other than 0


class Generated(NamedTuple):
    """Result of a generation.

    Attributes:
        files: one for each prompt, in order.
        made: how many of them this call generated.
        record: JSON file with the settings.
        computed: clips computed by this call: those it generated, and the others of their batches.
        seconds: time of computing them, without retrieval and writing.
        settings: with which they are made, none left to the model (``generation_record.resolved_settings``), and the device by
            name ("cpu", "cuda:0").
    """

    files: list[Path]
    made: int
    record: Path
    computed: int = 0
    seconds: float = 0.0
    settings: Mapping[str, Any] = MappingProxyType({})


@contextmanager
def folder_turn(folder: Path, reporter: Reporter) -> Iterator[None]:
    """Hold a folder of clips against other processes; it is made, and removed again if nothing was written."""
    make_folder(folder)
    try:
        with folder_lock(folder, lambda: reporter.note(f"Another process writes to {folder}: waiting for it.")):
            yield
    finally:
        with suppress(OSError):
            folder.rmdir()  # where nothing was written


Generate = Callable[[range], npt.NDArray[np.float32]]  # rows of the prompts -> clips


@dataclass(frozen=True)
class Workers:
    """Where batches are generated instead of in this process.

    Attributes:
        executor: of Ray.
        worker: called with a device in each worker, gives what generates there; it can be pickled.
        on_gpu: whether this process would use a GPU.
    """

    executor: Executor
    worker: Callable[[str], Generate]
    on_gpu: bool

    def map(
        self, batches: Sequence[range], reporter: Reporter
    ) -> Iterator[tuple[int, tuple[npt.NDArray[np.float32], float]]]:
        """Index of a batch, its clips and the seconds that they took, as they are finished."""
        worker = partial(_timed_worker, self.worker, WORKER_DEVICE[self.on_gpu])
        return map_on_ray(worker, batches, self.executor, on_gpu=self.on_gpu, what="generates clips", reporter=reporter)


@dataclass(frozen=True)
class ClipWriter:
    """Generates clips in batches and writes them with their record.

    Batches are formed by position, not by what is missing, so that an interrupted generation goes on to the same clips.

    Attributes:
        generate: rows of the prompts -> float32 (len(rows), samples) or (len(rows), samples, channels), in [-1, 1].
        sample_rate: Hz.
        batch_size: prompts in a batch.
        record_file: the JSON file of the record.
        peak: largest absolute sample that every clip is scaled to, in (0, 1]; what is silent in 16 bits stays so. None keeps the level.
        workers: generate the same clips; None for this process.
    """

    generate: Generate
    sample_rate: int
    batch_size: int
    record_file: Path
    peak: float | None = None
    workers: Workers | None = None

    def write(self, files: list[Path], kept: set[Path], record: dict[str, Any], reporter: Reporter) -> Generated:
        """Generate and write the files that are not kept, and the record before the first of them.

        Args:
            files: of the clips, in the order of the prompts.
            kept: those of them that are there already.
            record: of the generation, with an entry for each clip (:mod:`reaudio_model.pipeline.generation_record`); hashes are added.
            reporter: of progress.

        Raises:
            ReaudioError: samples that are not finite, or a file that cannot be written.
        """
        made = computed = 0
        seconds = 0.0
        silent: list[str] = []
        every = [range(i, min(i + self.batch_size, len(files))) for i in range(0, len(files), self.batch_size)]
        batches = [rows for rows in every if any(files[row] not in kept for row in rows)]
        with reporter.stage("generating", len(files)) as advance:
            advance(len(files) - sum(map(len, batches)))
            for rows, samples, spent in self._generated(batches, reporter):
                audios = self._levelled(samples)
                seconds += spent
                computed += len(rows)
                if not made:
                    start_record(self.record_file, record, [file for file in files if file not in kept])
                written = {files[row]: audios[row - rows.start] for row in rows if files[row] not in kept}
                self._save(written, record)
                silent += [file.name for file, audio in written.items() if not np.abs(audio).max() >= AUDIBLE]
                made += len(written)
                advance(len(rows))
        if silent:
            reporter.note(
                f"{len(silent)} of {made} clips are silent (all samples are 0): {', '.join(sorted(silent)[:NAMED])}."
            )
        settings = record["settings"] | {"device": record[MACHINES][-1]["device"]}
        return Generated(files, made, self.record_file, computed, seconds, settings)

    def _generated(
        self, batches: Sequence[range], reporter: Reporter
    ) -> Iterator[tuple[range, npt.NDArray[np.float32], float]]:
        """Batches, their clips and the seconds that they took, as they are finished."""
        if self.workers is None:
            for rows in batches:
                yield rows, *_timed(self.generate, rows)
            return
        for index, (samples, seconds) in self.workers.map(batches, reporter):
            yield batches[index], samples, seconds

    def _levelled(self, audios: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if self.peak is None:
            return audios
        peaks = np.abs(audios).max(axis=tuple(range(1, audios.ndim)), keepdims=True)
        return audios * np.where(peaks >= AUDIBLE, self.peak / np.maximum(peaks, AUDIBLE), 1).astype(np.float32)

    def _save(self, written: dict[Path, Any], record: dict[str, Any]) -> None:
        """Write clips, then their hashes into the record: a file without its hash is made again."""
        hashes = {}
        for file, audio in written.items():
            content = audio_bytes(audio, self.sample_rate, file.suffix, str(file))
            atomic_write(file, content)
            hashes[file.name] = hashlib.sha256(content).hexdigest()
        add_files(self.record_file, record, hashes)


def _timed(generate: Generate, rows: range) -> tuple[npt.NDArray[np.float32], float]:
    """The clips of a batch, and the seconds that they took."""
    started = time.perf_counter()
    return generate(rows), time.perf_counter() - started


def _timed_worker(
    worker: Callable[[str], Generate], device: str
) -> Callable[[range], tuple[npt.NDArray[np.float32], float]]:
    """What a worker computes with."""
    return partial(_timed, worker(device))
