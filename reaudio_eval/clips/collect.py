"""Getting the clips of every system: folders the user gives, the real audio, the noise floor, and models that generate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reaudio_eval import plugins
from reaudio_eval.clips.models import ClipRequest, Spent
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.clips.system import Retrieval, SystemInfo, SystemKind
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import folder_name
from reaudio_model.common.progress import Reporter

RESERVED = ("reference", "neighbours")
GENERATE_BATCH = 16


@dataclass(frozen=True)
class Generation:
    """How models that generate run; see :class:`reaudio_eval.clips.models.ClipRequest`. batch_size: None takes ``GENERATE_BATCH``;
    kept: shared by the systems of one command."""

    seed: int = 0
    sampling: Sampling = field(default_factory=Sampling)
    batch_size: int | None = None
    device: str = "auto"
    jobs: int = 2
    cache_dir: Path | None = None
    kept: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SystemRequest:
    """A system the user asked for: a registered model, or a name for a folder of clips.

    Attributes:
        name: as it appears in the report.
        model: registered model name ("clips" for a folder).
        source: the folder of clips, or None.
        weights, index: the user's, for a model that generates.
        sampling, seed: of this system alone; None takes those of all.
    """

    name: str
    model: str
    source: Path | None = None
    weights: Path | None = None
    index: Path | None = None
    sampling: Sampling | None = None
    seed: int | None = None


NOT_A_SYSTEM = " (not a system)"  # ends the name of what is shown beside the systems and does not compete


def shown_name(model: str) -> str:
    """The name of a registered model in reports: its own, marked where the model does not compete (``NOT_A_SYSTEM`` in its file).

    Raises:
        UnknownNameError: no such model.
    """
    return model + NOT_A_SYSTEM if hasattr(plugins.load("models", model), "NOT_A_SYSTEM") else model


def takes_candidates(model: str) -> bool:
    """Whether a model can choose among several clips of each prompt.

    Raises:
        UnknownNameError: no such model.
    """
    return bool(getattr(plugins.load("models", model), "CANDIDATES", False))


def competes(system: str) -> bool:
    """Whether what a report shows under this name is a system, and not something beside them."""
    return not system.endswith(NOT_A_SYSTEM)


def parse_named_paths(values: Sequence[str], option: str) -> dict[str, Path]:
    """``["AudioGen=folder", ...]`` as a mapping; ``NAME=PATH`` for --clips and --checkpoint.

    Raises:
        ReaudioError: no "=", an empty name, or a name given twice.
    """
    table: dict[str, Path] = {}
    for value in values:
        name, found, path = value.partition("=")
        if not (found and name.strip() and path):
            raise ReaudioError(f"{option} {value!r} must have the form NAME=PATH.")
        if name.strip() in table:
            raise ReaudioError(f"{option} names {name.strip()!r} twice.")
        table[name.strip()] = Path(path).expanduser()
    return table


def collect(
    requests: Sequence[SystemRequest],
    prompts: tuple[Prompt, ...],
    dataset: Dataset,
    output: Path,
    how: Generation,
    reporter: Reporter,
) -> list[SystemInfo]:
    """Ask every model for its clips.

    Args:
        requests: in the order of the report; names are unique.
        prompts: the clips wanted.
        dataset: where they come from.
        output: models that generate write below ``output/<system name>/``.
        how: seed, sampling and machine.
        reporter: shows progress.

    Raises:
        ReaudioError: a name given twice or reserved, or a folder that shares no name with the prompts.
    """
    check_names(requests)
    return [collect_one(request, prompts, dataset, output, how, reporter) for request in requests]


def collect_one(
    request: SystemRequest,
    prompts: tuple[Prompt, ...],
    dataset: Dataset,
    output: Path,
    how: Generation,
    reporter: Reporter,
    spent: Spent | None = None,
) -> SystemInfo:
    """Ask one model for its clips; see :func:`collect`. ``spent`` is told what making them took.

    Raises:
        ReaudioError: a folder that shares no name with the prompts, or what the model says.
    """
    module = plugins.load("models", request.model)
    kind: SystemKind = module.KIND
    folder = output / folder_name(request.name)
    asked = _clip_request(request, prompts, dataset, folder, how, reporter, spent or Spent())
    clips: Mapping[str, Path] = module.clips(asked)
    if kind == "generated" and prompts and not clips:
        raise ReaudioError(_nothing_in_common(request, prompts))
    reporter.note(f"{request.name}: {len(clips)} of {len(prompts)} clips")
    retrieval: Retrieval | None = module.retrieved(asked, clips) if hasattr(module, "retrieved") else None
    description = getattr(module, "NOT_A_SYSTEM", "")
    candidates = (asked.sampling.candidates or 1) if takes_candidates(request.model) else 1
    return SystemInfo(
        request.name, kind, len(clips), clips, description=description, retrieval=retrieval, candidates=candidates
    )


def _clip_request(
    request: SystemRequest,
    prompts: tuple[Prompt, ...],
    dataset: Dataset,
    folder: Path,
    how: Generation,
    reporter: Reporter,
    spent: Spent,
) -> ClipRequest:
    return ClipRequest(
        prompts,
        dataset,
        folder,
        request.source,
        how.seed if request.seed is None else request.seed,
        variant=plugins.find("models", request.model).variant,
        weights=request.weights,
        index=request.index,
        sampling=how.sampling if request.sampling is None else request.sampling,
        spent=spent,
        kept=how.kept,
        batch_size=how.batch_size or GENERATE_BATCH,
        device=how.device,
        jobs=how.jobs,
        cache_dir=how.cache_dir,
        reporter=reporter,
    )


def check_names(requests: Sequence[SystemRequest]) -> None:
    """Raises ReaudioError for a name that is reserved, or two that would share a folder."""
    seen: set[str] = set()
    for request in requests:
        key = folder_name(request.name).lower()
        if key in RESERVED:
            raise ReaudioError(f"A system cannot be called {request.name!r}: choose another name.")
        if key in seen:
            raise ReaudioError(f"Two systems are called {request.name!r} (names are compared as file names): rename one.")
        if request.source is not None and not competes(request.name):
            raise ReaudioError(
                f"A name cannot end in {NOT_A_SYSTEM.strip()!r}, as that of {request.name!r} does: choose another."
            )
        seen.add(key)


def _nothing_in_common(request: SystemRequest, prompts: Sequence[Prompt]) -> str:
    wanted = ", ".join(repr(p.clip_id) for p in prompts[:3])
    found: list[str] = []
    if request.source is not None:
        found = sorted(p.stem for p in request.source.iterdir() if p.is_file() and not p.name.startswith("."))
    have = ", ".join(repr(s) for s in found[:3]) or "none"
    return (
        f"No clip of {request.name!r} ({request.source}) belongs to a prompt: file names there are {have}, clip ids are {wanted}. "
        "Name each file after its clip id."
    )
