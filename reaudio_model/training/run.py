"""Training a part of the model from a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import StrPath, as_path, atomic_folder, default_cache_dir, folder_lock, make_folder
from reaudio_model.common.progress import Reporter
from reaudio_model.config import Part
from reaudio_model.training.checkpoint import checkpoint_step
from reaudio_model.training.config import TrainConfig, read_config
from reaudio_model.training.loop import FitResult, fit, starting_point
from reaudio_model.training.loop_config import Precision
from reaudio_model.training.manifest import (
    DATA,
    MANIFEST,
    compare_data,
    continue_manifest,
    make_manifest,
    write_data,
    write_manifest,
)
from reaudio_model.training.plan import TrainingPlan, make_plan, processes_text

if TYPE_CHECKING:
    from accelerate import Accelerator

    from reaudio_model.training.clips import RunClips, RunTables
    from reaudio_model.training.parts import Prepared

PREPARATION = timedelta(hours=24)  # how long the other processes wait while the first encodes the clips
MIXED_PRECISION: dict[Precision, str] = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}  # accelerate's names


def train(
    part: Part,
    config: StrPath,
    output: StrPath,
    *,
    resume: bool = False,
    resume_from: int | StrPath | None = None,
    steps: int | None = None,
    strict: bool = False,
    device: str = "auto",
    overrides: Sequence[str] = (),
    cache_dir: StrPath | None = None,
    reporter: Reporter | None = None,
) -> FitResult:
    """Train a part of the model and write it to ``output``; also under ``accelerate launch`` on several GPUs or nodes.

    ``output`` gets ``manifest.json`` (configuration, versions, device, processes, what changed when it was resumed), ``data.json``
    (digests of clips and frozen networks), the files of :func:`reaudio_model.training.loop.fit`, and
    finally the part, as ``from_pretrained`` and ``parts.<name>`` read it: ``vae/``, ``unet/`` ...; for the denoiser also
    ``pipeline/``, the whole model, if ``parts.vocoder`` is given (also later: repeat the call with it).

    A run is resumed with the same clips, frozen networks, processes and settings. Steps, learning rate and warm-up may change.

    Args:
        part: must match the configuration.
        config: YAML file, or name of a bundled configuration (``config.bundled_configs``).
        output: folder.
        resume: continue from a checkpoint, if there is one.
        resume_from: step or folder of the checkpoint to resume from; None is the newest whole one.
        steps: replaces ``loop.steps``.
        strict: refuse missing, unreadable and truncated clips instead of leaving them out (or using the truncated ones).
        device: "auto", "cpu" or "cuda"; accelerate assigns a GPU to each process.
        overrides: "section.key=value", e.g. "data.pairs=[train.csv]".
        cache_dir: for converted checkpoints; None uses the user's cache.
        reporter: of progress; None shows nothing.

    Raises:
        ReaudioError: invalid configuration, missing or unreadable files, clips of several splits, a folder of another run, a loss
            not finite, a full disk.
    """
    settings = _settings(part, config, steps, overrides)
    chosen = resume_from if isinstance(resume_from, int | None) else as_path(resume_from)
    cache = default_cache_dir() if cache_dir is None else as_path(cache_dir)
    run = _Start(settings, as_path(output), resume or chosen is not None, chosen, strict, device, cache)
    return run.train(reporter or Reporter(quiet=True))


def plan_training(
    part: Part,
    config: StrPath,
    output: StrPath,
    *,
    steps: int | None = None,
    device: str = "auto",
    overrides: Sequence[str] = (),
) -> TrainingPlan:
    """What :func:`train` would do, and everything that it lacks; nothing is written and no audio is decoded.

    Raises:
        ReaudioError: invalid configuration.
    """
    settings = _settings(part, config, steps, overrides)
    return make_plan(settings, as_path(output), device)


def _settings(part: Part, config: StrPath, steps: int | None, overrides: Sequence[str]) -> TrainConfig:
    given = [overrides] if isinstance(overrides, str) else overrides
    settings = read_config(config, [*given, *([] if steps is None else [f"loop.steps={steps}"])])
    if settings.part != part:
        remedy = f"give another --config, or `reaudio-model train {settings.part.replace('_', '-')}`"
        raise ReaudioError(f"The configuration {config} trains {settings.part}, not {part}: {remedy}.")
    return settings


@dataclass(frozen=True)
class _Start:
    """One start of a run."""

    settings: TrainConfig
    output: Path
    resume: bool
    chosen: int | Path | None
    strict: bool
    device: str
    cache_dir: Path

    def train(self, reporter: Reporter) -> FitResult:
        plan = make_plan(self.settings, self.output, self.device)
        plan.require_ready()
        accelerator = _accelerator(self.settings, self.device)
        if not accelerator.is_main_process:
            accelerator.wait_for_everyone()  # for the lock
            return self._train(plan, accelerator, Reporter(quiet=True))
        make_folder(self.output)
        with folder_lock(self.output, lambda: reporter.note(f"Another process trains in {self.output}: waiting for it.")):
            accelerator.wait_for_everyone()
            return self._train(plan, accelerator, reporter)

    def _train(self, plan: TrainingPlan, accelerator: Accelerator, reporter: Reporter) -> FitResult:
        from reaudio_model.common.inference import tf32_products

        settings, output, main = self.settings, self.output, accelerator.is_main_process
        checkpoint = starting_point(output, self.resume, self.chosen, reporter)
        manifest = make_manifest(settings, str(accelerator.device.type), accelerator.num_processes)
        if self.resume and (checkpoint is not None or (output / "train.csv").exists()):  # else nothing was trained there
            step = 0 if checkpoint is None else checkpoint_step(checkpoint)
            manifest = continue_manifest(output / MANIFEST, manifest, step)
        clips = _checked(settings, plan.tables, self.strict, accelerator, reporter)
        if checkpoint is not None:
            compare_data(output / DATA, clips.digests())  # before anything is computed from them
        _note(plan, clips, accelerator, reporter)
        prepared = self._prepare(clips, accelerator, reporter)
        networks = {"networks": dict(prepared.networks)}
        if checkpoint is not None:
            compare_data(output / DATA, networks)
        if main:
            write_data(output / DATA, clips.digests() | networks)
            write_manifest(output / MANIFEST, manifest)
        with tf32_products(settings.loop.tf32):
            result = fit(
                prepared.task,
                prepared.training,
                settings.loop,
                output,
                accelerator=accelerator,
                validation=prepared.validation,
                resume=self.resume,
                checkpoint=checkpoint,
                reporter=reporter,
            )
        if result.finished and main:
            for name, save in prepared.export().items():
                with atomic_folder(output / name, replace=True) as partial:
                    save(partial)
        accelerator.wait_for_everyone()
        return result

    def _prepare(self, clips: RunClips, accelerator: Accelerator, reporter: Reporter) -> Prepared:
        import torch

        from reaudio_model.training.parts import Setting, prepare

        torch.manual_seed(self.settings.loop.seed)  # the same initial weights in every process
        cache = self.settings.data.cache or self.output / "cache"
        setting = Setting(clips, accelerator.device, cache, self.cache_dir, reporter)
        with accelerator.main_process_first():  # the others find its caches
            return prepare(self.settings, setting)


def _accelerator(settings: TrainConfig, device: str) -> Accelerator:
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    from reaudio_model.common.inference import open_device

    chosen = open_device(device)
    patience = InitProcessGroupKwargs(timeout=PREPARATION)
    return Accelerator(
        cpu=chosen.type == "cpu", mixed_precision=MIXED_PRECISION[settings.loop.precision], kwargs_handlers=[patience]
    )


def _checked(
    settings: TrainConfig, tables: RunTables | None, strict: bool, accelerator: Accelerator, reporter: Reporter
) -> RunClips:
    """The clips, decoded by the main process for all."""
    from accelerate.utils import broadcast_object_list

    from reaudio_model.training.clips import check_run_clips

    assert tables is not None  # a plan without problems has them
    found: list[Any] = [check_run_clips(settings, tables, strict, reporter) if accelerator.is_main_process else None]
    broadcast_object_list(found)
    clips: RunClips = found[0]
    return clips


def _note(plan: TrainingPlan, clips: RunClips, accelerator: Accelerator, reporter: Reporter) -> None:
    """What is trained, with how many clips and processes, and where."""
    for note in plan.notes:
        reporter.note(note)
    n, settings = accelerator.num_processes, plan.settings
    reporter.note(
        f"{settings.part}: {len(clips.training.pairs)} training clips, {settings.loop.steps} steps of "
        f"{settings.loop.batch_size * settings.loop.accumulate * n} clips, {processes_text(n)} on {accelerator.device.type}"
    )
