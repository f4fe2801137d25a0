"""Training a part of the model from a configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import StrPath, as_path, atomic_write, default_cache_dir, json_bytes
from reaudio_model.common.progress import Reporter
from reaudio_model.config import Part
from reaudio_model.training.config import TrainConfig, read_config
from reaudio_model.training.loop import FitResult, Precision, fit

if TYPE_CHECKING:
    from accelerate import Accelerator

PREPARATION = timedelta(hours=24)  # how long the other processes wait while the first encodes the clips
MIXED_PRECISION: dict[Precision, str] = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}  # accelerate's names
MANIFEST = "manifest.json"
PACKAGES = ("reaudio-eval", "torch", "diffusers", "transformers", "accelerate", "numpy")
# May differ when a run is resumed: they do not affect the finished steps.
NOT_COMPARED = (("loop", "steps"), ("loop", "workers"), ("loop", "checkpoint_every"), ("data", "cache"))


def train(
    part: Part,
    config: StrPath,
    output: StrPath,
    *,
    resume: bool = False,
    steps: int | None = None,
    device: str = "auto",
    overrides: Sequence[str] = (),
    cache_dir: StrPath | None = None,
    reporter: Reporter | None = None,
) -> FitResult:
    """Train a part of the model and write it to ``output``; also under ``accelerate launch`` on several GPUs or nodes.

    ``output`` gets ``manifest.json`` (configuration, versions, devices), the files of :func:`reaudio_model.training.loop.fit`, and
    finally the part, as ``from_pretrained`` and ``parts.<name>`` read it: ``vae/``, ``unet/`` ...; for the denoiser also
    ``pipeline/``, the whole model, if ``parts.vocoder`` is given.

    Args:
        part: must match the configuration.
        config: YAML file, or name of a bundled configuration (``config.bundled_configs``).
        output: folder.
        resume: continue from the last checkpoint, if there is one.
        steps: replaces ``loop.steps``.
        device: "auto", "cpu" or "cuda"; accelerate assigns a GPU to each process.
        overrides: "section.key=value", e.g. "data.pairs=[train.csv]".
        cache_dir: for converted checkpoints; None uses the user's cache.
        reporter: of progress; None shows nothing.

    Raises:
        ReaudioError: invalid configuration, missing or unreadable files, a folder of another run, a loss not finite, a full disk.
    """
    settings = read_config(config, [*overrides, *([] if steps is None else [f"loop.steps={steps}"])])
    if settings.part != part:
        raise ReaudioError(f"The configuration {config} trains {settings.part}, not {part}: choose one of the two.")
    cache = default_cache_dir() if cache_dir is None else as_path(cache_dir)
    return _train(settings, as_path(output), resume, device, cache, reporter or Reporter(quiet=True))


def _train(settings: TrainConfig, output: Path, resume: bool, device: str, cache_dir: Path, reporter: Reporter) -> FitResult:
    import torch

    from reaudio_model.training.parts import Setting, prepare

    accelerator = _accelerator(settings, device)
    manifest = _manifest(settings, accelerator)
    _check_manifest(output / MANIFEST, manifest, resume)
    reporter = reporter if accelerator.is_main_process else Reporter(quiet=True)
    torch.manual_seed(settings.loop.seed)  # the same initial weights in every process
    setting = Setting(accelerator.device, as_path(settings.data.cache or output / "cache"), cache_dir, reporter)
    with accelerator.main_process_first():  # the others find its caches
        prepared = prepare(settings, setting)
    if accelerator.is_main_process:
        atomic_write(output / MANIFEST, json_bytes(manifest))
    result = fit(
        prepared.task,
        prepared.training,
        settings.loop,
        output,
        accelerator=accelerator,
        validation=prepared.validation,
        resume=resume,
        reporter=reporter,
    )
    if result.finished and accelerator.is_main_process:
        prepared.export(output)
    accelerator.wait_for_everyone()
    return result


def _accelerator(settings: TrainConfig, device: str) -> Accelerator:
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    from reaudio_model.common.inference import open_device

    chosen = open_device(device)
    if settings.loop.precision == "float16" and chosen.type == "cpu":
        raise ReaudioError("loop.precision float16 needs a GPU: use bfloat16 or float32.")
    patience = InitProcessGroupKwargs(timeout=PREPARATION)
    return Accelerator(
        cpu=chosen.type == "cpu", mixed_precision=MIXED_PRECISION[settings.loop.precision], kwargs_handlers=[patience]
    )


def _manifest(settings: TrainConfig, accelerator: Accelerator) -> dict[str, Any]:
    manifest = {
        "config": asdict(settings),
        "sizes": asdict(settings.model.sizes()),
        "versions": {name: version(name) for name in PACKAGES},
        "device": str(accelerator.device.type),
        "processes": accelerator.num_processes,
    }
    plain: dict[str, Any] = json.loads(json.dumps(manifest, default=str))  # paths and tuples as they are read back
    return plain


def _check_manifest(path: Path, manifest: dict[str, Any], resume: bool) -> None:
    """Refuse to resume a run with other settings."""
    if not resume or not path.exists():
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError) as error:
        raise ReaudioError(f"{path} is damaged: choose another --output.") from error
    now = manifest["config"]
    for section, key in NOT_COMPARED:
        before.get(section, {}).pop(key, None)
        now = {**now, section: {k: v for k, v in now[section].items() if k != key}}
    differing = [name for name in now if before.get(name) != now[name]]
    if differing:
        raise ReaudioError(
            f"{path.parent} holds a run with other settings ({', '.join(differing)} differ): resume it with its own, or choose "
            "another --output."
        )
