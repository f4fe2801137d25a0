"""Options that several commands of ``reaudio-eval`` share, and the :class:`reaudio_eval.evaluate.Options` made of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reaudio_eval.datasets import DatasetDefaults
    from reaudio_eval.evaluate import Options


class OverwriteChoice(StrEnum):
    never = "never"
    only_missing = "only-missing"
    always = "always"


class BaselinesChoice(StrEnum):
    bundled = "bundled"
    fresh = "fresh"
    none = "none"


class MediaChoice(StrEnum):
    inline = "inline"
    folder = "folder"
    none = "none"


ProtocolOption = Annotated[str, typer.Option("--protocol", help="Waveform and metric conventions (see `list protocols`).")]
EmbedderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--embedder", help="Network that listens; repeatable. Default: vggish, panns, clap; the miniature has its own."
    ),
]
CheckpointOption = Annotated[
    list[str] | None, typer.Option("--checkpoint", metavar="NAME=PATH", help="Checkpoint of an embedder; repeatable.")
]
MetricOption = Annotated[
    list[str] | None, typer.Option("--metric", help="Only these metrics or families (kl, fad_vggish, ...); repeatable.")
]
RequireOption = Annotated[
    list[str] | None, typer.Option("--require", help="Fail if this metric cannot be computed; repeatable.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of resampling, and of models that generate.")]
DownloadOption = Annotated[bool, typer.Option("--allow-download", help="Fetch published checkpoints that are missing.")]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Refuse missing or unreadable clips instead of leaving them out.")
]
DataRootOption = Annotated[Path | None, typer.Option("--data-root", help="Folder with the dataset's tables.")]
DEFAULT_PROTOCOL = "audioldm-eval-2023-06"
DatasetProtocolOption = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help=f"Waveform and metric conventions (see `list protocols`). Default: the dataset's, else {DEFAULT_PROTOCOL}.",
    ),
]
DEFAULT_DATASET = "miniature"
DEFAULT_STRATA = "log10"
DatasetOption = Annotated[str, typer.Option("--dataset", help="Dataset (see `list datasets`).")]


def dataset_defaults(dataset: str) -> DatasetDefaults:
    """How a dataset is evaluated unless the user says otherwise.

    Raises:
        UnknownNameError: no such dataset.
    """
    from reaudio_eval import registry
    from reaudio_eval.datasets import DatasetDefaults

    found: DatasetDefaults = getattr(registry.load("datasets", dataset), "DEFAULTS", DatasetDefaults())
    return found


def evaluation_options(
    protocol: str | None,
    embedder: list[str] | None,
    checkpoint: list[str] | None,
    metric: list[str] | None,
    require: list[str] | None,
    seed: int,
    batch_size: int,
    device: str,
    jobs: int,
    cache_dir: Path | None,
    allow_download: bool,
    strict: bool,
    defaults: DatasetDefaults | None = None,
) -> Options:
    """The options of an evaluation, checked.

    Raises:
        ReaudioError: malformed or out of range.
    """
    from reaudio_eval.evaluate import DEFAULT_EMBEDDERS, Options
    from reaudio_eval.generate import parse_named_paths
    from reaudio_model.common.files import default_cache_dir

    return Options(
        protocol=protocol or (defaults and defaults.protocol) or DEFAULT_PROTOCOL,
        embedders=tuple(embedder or (defaults and defaults.embedders) or DEFAULT_EMBEDDERS),
        checkpoints=parse_named_paths(checkpoint or [], "--checkpoint"),
        metrics=tuple(metric) if metric else None if embedder or defaults is None else defaults.metrics,
        require=tuple(require or ()),
        seed=seed,
        batch_size=batch_size,
        device=device,
        jobs=jobs,
        cache_dir=cache_dir or default_cache_dir(),
        allow_download=allow_download,
        strict=strict,
    )
