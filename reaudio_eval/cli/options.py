"""Options that several commands of ``reaudio-eval`` share, and the :class:`reaudio_eval.scores.evaluate.Options` made of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from reaudio_model.common.errors import ReaudioError

if TYPE_CHECKING:
    from reaudio_eval.prompts.datasets import DatasetDefaults
    from reaudio_eval.scores.evaluate import Options


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
OutputOption = Annotated[Path, typer.Option("--output", help="Folder for the report and the run directories.")]
SplitOption = Annotated[str, typer.Option("--split", help="Split whose prompts are used.")]
CaptionsOption = Annotated[
    str, typer.Option("--captions", help="Which caption of several, from 1; or `classes`: prompts made of class names.")
]
PerClassOption = Annotated[
    int | None, typer.Option("--per-class", min=1, help="Prompts of each class with --captions classes. Default: 4.")
]
ReferencesOption = Annotated[Path | None, typer.Option("--references", help="Folder of real clips.")]
ClipManifestOption = Annotated[
    Path | None, typer.Option("--clip-manifest", help="CSV (clip_id, caption, ...) naming the prompts that were used.")
]
ClipsOption = Annotated[
    list[str] | None,
    typer.Option("--clips", metavar="NAME=FOLDER", help="A system's clips, file stem = clip id; repeatable."),
]
ModelOption = Annotated[
    list[str] | None, typer.Option("--model", help="A registered model (see `list models`); repeatable.")
]
WeightsOption = Annotated[
    list[str] | None,
    typer.Option("--weights", metavar="MODEL=FOLDER", help="A saved pipeline for a --model; repeatable."),
]
IndexOption = Annotated[
    Path | None, typer.Option("--index", help="Retrieval index for models with --weights (`reaudio-model index build`).")
]
StepsOption = Annotated[int | None, typer.Option("--steps", min=1, help="Denoising steps. Default: the model's.")]
GuidanceOption = Annotated[float | None, typer.Option("--guidance", help="Guidance scale. Default: the model's.")]
KOption = Annotated[int | None, typer.Option("--k", min=0, help="Retrieved pairs a model uses. Default: the model's.")]
CandidatesOption = Annotated[
    int | None,
    typer.Option(
        "--candidates",
        min=1,
        help="Clips made of each prompt, of which the model's own CLAP keeps the best; lifts the CLAP score itself. Default: 1.",
    ),
]
GenerationBatchOption = Annotated[
    int | None, typer.Option("--batch-size", help="Clips in a batch. Default: 16 to generate, 8 to listen.")
]
BaselinesOption = Annotated[
    BaselinesChoice,
    typer.Option(
        "--baselines", help="Beside a bundled model: its twin without retrieval by scores of the package, or made anew."
    ),
]
RealOption = Annotated[bool, typer.Option("--real/--no-real", help="Score the real audio too (ceiling).")]
NoiseOption = Annotated[bool, typer.Option("--noise/--no-noise", help="Score noise too (floor).")]
StrataOption = Annotated[
    str | None,
    typer.Option(
        "--strata",
        help="log10, lvis, imagenet-lt, tertile, or edges such as 10,100,1000. Default: the dataset's, else log10.",
    ),
]
PrimaryOption = Annotated[
    str | None,
    typer.Option("--primary", help="Metric shown first. Default: the dataset's, else CLAP score, else label recall."),
]
MediaOption = Annotated[
    MediaChoice, typer.Option("--media", help="Players inside the page, in a folder beside it, or none.")
]
PlayersOption = Annotated[
    int | None, typer.Option("--players", min=0, help="Clips to listen to, at most. Default: as many as fit the page.")
]
OverwriteOption = Annotated[OverwriteChoice, typer.Option("--overwrite", help="What to do with finished runs.")]
LimitOption = Annotated[int | None, typer.Option("--limit", help="Only the first so many prompts.")]
SampleOption = Annotated[
    int | None, typer.Option("--sample", min=0, help="Only so many prompts, chosen evenly over all classes; 0 takes all.")
]


class RetrievalChoice(StrEnum):
    none = "none"
    audio = "audio"
    audio_text = "audio+text"


RetrievalOption = Annotated[
    RetrievalChoice | None,
    typer.Option("--retrieval", help="What of the retrieved pairs a model is given. Default: all that it reads."),
]


class Captions(NamedTuple):
    """What ``--captions`` says. number: which caption of several, from 1; class_prompts: prompts a class, 0 for the dataset's own."""

    number: int
    class_prompts: int


def parse_captions(captions: str, per_class: int | None) -> Captions:
    """``--captions`` and ``--per-class``.

    Raises:
        ReaudioError: neither a whole number from 1 nor "classes"; or a number of prompts a class without "classes".
    """
    from reaudio_eval.prompts.class_prompts import PER_CLASS

    if captions == "classes":
        return Captions(1, per_class or PER_CLASS)
    if per_class is not None:
        raise ReaudioError("--per-class counts prompts made of class names: give it with --captions classes.")
    if not captions.isdecimal() or int(captions) < 1:
        raise ReaudioError(f"--captions {captions}: give a whole number from 1, or `classes`.")
    return Captions(int(captions), 0)


def evaluation_options(
    protocol: str | None,
    embedder: list[str] | None,
    checkpoint: list[str] | None,
    metric: list[str] | None,
    require: list[str] | None,
    seed: int,
    batch_size: int | None,
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
    from reaudio_eval.clips.collect import parse_named_paths
    from reaudio_eval.scores.evaluate import DEFAULT_EMBEDDERS, Options
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
