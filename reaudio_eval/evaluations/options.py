"""Options that several evaluations share, alone and in groups."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from reaudio_eval.scores.external.source import GivenFrame, read_sources
from reaudio_model.common.cli import DEFAULT_JOBS
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.executors import LOCAL, Executor
from reaudio_model.common.limits import MAX_SECONDS
from reaudio_model.common.options import Option, OptionGroup

if TYPE_CHECKING:
    from reaudio_eval.clips.models import Fetch
    from reaudio_eval.prompts.datasets import DatasetDefaults, DatasetOptions
    from reaudio_eval.scores.evaluate import Options
    from reaudio_model.common.progress import Reporter

DEFAULT_DATASET = "miniature"
DEFAULT_STRATA = "log10"
DEFAULT_PROTOCOL = "audioldm-eval-2023-06"
MAX_SEED, MAX_JOBS = 2**63 - 1, 256  # what a table holds; more threads only take memory
PER_CLASS = 4  # prompts of a class made of class names
SYSTEMS, DATA, METRICS, STATISTICS, OUTPUT, MACHINE = (
    "What to evaluate", "Data", "Metrics", "Statistics", "Output", "Machine",
)  # fmt: skip

Overwrite = Literal["never", "only-missing", "always"]
Media = Literal["inline", "folder", "none"]
Estimand = Literal["sampled-classes", "fixed-classes"]
DEFAULT_ESTIMAND: Estimand = "sampled-classes"
Baselines = Literal["bundled", "fresh", "none"]

DatasetName = Annotated[str, Option("Dataset (see `list datasets`).", panel=DATA, everyday=True)]
DataRoot = Annotated[Path | None, Option("Folder with the dataset's tables.", panel=DATA, everyday=True)]
Split = Annotated[str, Option("Split whose prompts are used; `all` takes those of every split.", panel=DATA)]
CaptionChoice = Annotated[
    str, Option("Which caption of several, from 1; or `classes`: prompts made of class names.", panel=DATA)
]
PerClass = Annotated[
    int | None, Option(f"Prompts of each class with --captions classes. Default: {PER_CLASS}.", panel=DATA, least=1)
]
ClipManifest = Annotated[Path | None, Option("CSV (clip_id, caption, ...) naming the prompts that were used.", panel=DATA)]
Limit = Annotated[int | None, Option("Only the first N prompts.", panel=DATA, least=1, everyday=True)]
Sample = Annotated[
    int | None,
    Option("Only N prompts, chosen evenly over all classes; 0 takes all.", metavar="N", panel=DATA, least=0, everyday=True),
]
SkipBadRows = Annotated[
    bool,
    Option("Leave faulty rows of tables out, and say so, instead of refusing the table.", "--skip-bad-rows", panel=DATA),
]
Baseline = Annotated[
    str | None,
    Option(
        "System that the others are compared with. Default: the bundled control, beside a bundled model.",
        metavar="NAME",
        panel=SYSTEMS,
        everyday=True,
    ),
]
RunFolders = Annotated[tuple[Path, ...], Option("Run directories, or folders that contain them.", "ARGUMENT", "RUNS")]
Weights = Annotated[
    dict[str, Path],
    Option(
        "Weights of a --model: a saved pipeline or its authors' files, or a repository of the Hugging Face hub, REPOSITORY[@REVISION]; "
        "repeatable.",
        metavar="MODEL=PATH",
        panel=SYSTEMS,
    ),
]
Index = Annotated[
    Path | None, Option("Retrieval index for models with --weights (`reaudio-model index build`).", panel=SYSTEMS)
]
OutputFolder = Annotated[Path, Option("Folder of the report and the run directories.", panel=OUTPUT, everyday=True)]
OverwriteRuns = Annotated[Overwrite, Option("What to do with finished runs.", panel=OUTPUT)]
Strata = Annotated[
    str | None,
    Option(
        "log10, lvis, imagenet-lt, tertile, or edges such as 10,100,1000. Default: the dataset's, else log10.",
        panel=STATISTICS,
    ),
]
Primary = Annotated[
    str | None, Option("Metric shown first. Default: the dataset's, else CLAP score, else label recall.", panel=STATISTICS)
]
MarginOption = Annotated[
    float | None,
    Option(
        "Largest difference in the primary metric that counts as none, fixed before scoring: tests whether systems are non-inferior and "
        "equivalent to their control.",
        "--margin",
        metavar="M",
        panel=STATISTICS,
        everyday=True,
    ),
]
Seed = Annotated[
    int,
    Option(
        "Seed of random numbers: resampling, and generation where models generate.",
        panel=STATISTICS,
        least=0,
        most=MAX_SEED,
        everyday=True,
    ),
]
Inference = Annotated[
    Estimand,
    Option(
        "What intervals and tests are about: means over classes of which these are a sample, or over these classes as they are.",
        panel=STATISTICS,
    ),
]
Jobs = Annotated[int, Option("Threads that decode and encode audio.", panel=MACHINE, least=1, most=MAX_JOBS)]


def read_captions(captions: str, per_class: int | None) -> tuple[int, int]:
    """``--captions`` and ``--per-class``: which caption of several, from 1, and prompts a class, 0 for the dataset's own.

    Raises:
        ReaudioError: neither a whole number from 1 nor "classes"; or a number of prompts a class without "classes".
    """
    if captions == "classes":
        return 1, per_class or PER_CLASS
    if per_class is not None:
        raise ReaudioError("--per-class counts prompts made of class names: give it with --captions classes.")
    if not captions.isdecimal() or int(captions) < 1:
        raise ReaudioError(f"--captions {captions}: give a whole number from 1, or `classes`.")
    return int(captions), 0


@dataclass(frozen=True)
class Data(OptionGroup):
    """Prompts and real audio."""

    panel: ClassVar[str] = DATA

    dataset: DatasetName = DEFAULT_DATASET
    data_root: DataRoot = None
    split: Split = "test"
    captions: CaptionChoice = "1"
    per_class: PerClass = None
    references: Annotated[Path | None, Option("Folder of real clips.", everyday=True)] = None
    clip_manifest: ClipManifest = None
    limit: Limit = None
    sample: Sample = None
    skip_bad_rows: SkipBadRows = False

    def check(self) -> None:
        read_captions(self.captions, self.per_class)
        if self.limit is not None and self.sample:
            raise ReaudioError("--limit takes the first prompts and --sample some of every class: give one of them.")

    @property
    def caption(self) -> int:
        """Which caption of several, from 1."""
        return read_captions(self.captions, self.per_class)[0]

    @property
    def class_prompts(self) -> int:
        """Prompts made of each class name; 0 for the dataset's own prompts."""
        return read_captions(self.captions, self.per_class)[1]

    def files(
        self, cache_dir: Path | None = None, reporter: Reporter | None = None, caption: int | None = None
    ) -> DatasetOptions:
        """What the dataset's loader is given; ``caption`` in place of the one chosen."""
        from reaudio_eval.prompts.datasets import DatasetOptions

        number = self.caption if caption is None else caption
        return DatasetOptions(
            self.data_root,
            self.references,
            self.clip_manifest,
            self.split,
            number,
            cache_dir,
            reporter,
            self.skip_bad_rows,
        )

    def defaults(self) -> DatasetDefaults:
        """How the dataset is evaluated unless the user says otherwise."""
        from reaudio_eval import plugins

        return plugins.load("datasets", self.dataset).defaults


@dataclass(frozen=True)
class FolderPair(OptionGroup):
    """Two folders whose clips pair by name; they are never written to."""

    panel: ClassVar[str] = DATA

    generated: Annotated[Path, Option("Folder of generated clips.", "ARGUMENT", "GENERATED")]
    reference: Annotated[Path, Option("Folder of real clips; files pair by name without suffix.", "ARGUMENT", "REFERENCE")]
    captions: Annotated[Path | None, Option("CSV with clip_id (or file) and caption, for CLAP score.", everyday=True)] = None
    limit: Annotated[int | None, Option("Only the first N clips.", least=1, everyday=True)] = None
    skip_bad_rows: SkipBadRows = False


@dataclass(frozen=True)
class Systems(OptionGroup):
    """Systems that are scored side by side."""

    panel: ClassVar[str] = SYSTEMS

    models: Annotated[
        tuple[str, ...], Option("A registered model (see `list models`); repeatable.", "--model", everyday=True)
    ] = ()
    clips: Annotated[
        dict[str, Path],
        Option("A system's clips, file stem = clip id; repeatable.", metavar="NAME=FOLDER", everyday=True),
    ] = field(default_factory=dict)
    scores: Annotated[
        tuple[Path | GivenFrame, ...],
        Option(
            "Scores computed elsewhere, CSV or Parquet: clip_id, system, metric, value[, label, seed, rater]; repeatable.",
            metavar="FILE",
            everyday=True,
            parse=read_sources,
        ),
    ] = ()
    score_metrics: Annotated[
        dict[str, str],
        Option(
            "Which values of a metric of --scores are better, and its range: higher,0,10 or lower; repeatable.",
            "--score-metric",
            metavar="NAME=DIRECTION[,LOW,HIGH]",
            everyday=True,
        ),
    ] = field(default_factory=dict)
    weights: Weights = field(default_factory=dict)
    index: Index = None
    baselines: Annotated[
        Baselines,
        Option("Beside a bundled model: its control without retrieval, by scores of the package or generated anew."),
    ] = "bundled"
    common: Annotated[bool, Option("Score every system only on the prompts that all systems have.", everyday=True)] = False
    real: Annotated[bool, Option("Score the real audio too (upper reference).", "--real/--no-real")] = True
    noise: Annotated[bool, Option("Score noise too (lower reference).", "--noise/--no-noise")] = True

    def check(self) -> None:
        if self.score_metrics and not self.scores:
            raise ReaudioError("--score-metric states a metric of a table: give the table with --scores FILE.")

    @property
    def scores_alone(self) -> bool:
        """Whether there are tables of scores and no clips."""
        return bool(self.scores) and not self.clips and not self.models


@dataclass(frozen=True)
class Measures(OptionGroup):
    """Embedders and metrics."""

    panel: ClassVar[str] = METRICS

    protocol: Annotated[
        str | None,
        Option(f"Waveform and metric conventions (see `list protocols`). Default: the dataset's, else {DEFAULT_PROTOCOL}."),
    ] = None
    embedders: Annotated[
        tuple[str, ...],
        Option("Audio embedding model; repeatable. Default: vggish, panns, clap; the miniature has its own.", "--embedder"),
    ] = ()
    checkpoints: Annotated[
        dict[str, Path],
        Option("Checkpoint of an embedder; repeatable.", "--checkpoint", metavar="NAME=PATH", everyday=True),
    ] = field(default_factory=dict)
    metrics: Annotated[
        tuple[str, ...],
        Option("Only these metrics or families (kl, fad_vggish, ...); repeatable.", "--metric", everyday=True),
    ] = ()
    require: Annotated[tuple[str, ...], Option("Fail if this metric cannot be computed; repeatable.")] = ()
    strict: Annotated[
        bool, Option("Refuse missing or unreadable clips instead of leaving them out, and truncated ones.")
    ] = False
    max_seconds: Annotated[float, Option("Longer clips are unreadable, which bounds memory.", metavar="S", least=1)] = (
        MAX_SECONDS
    )
    allow_download: Annotated[bool, Option("Fetch published checkpoints and weights that are missing.", everyday=True)] = (
        False
    )


@dataclass(frozen=True)
class Page(OptionGroup):
    """What the page plays."""

    panel: ClassVar[str] = OUTPUT

    media: Annotated[Media, Option("Audio players inside the page, in a folder beside it, or none.", everyday=True)] = (
        "inline"
    )
    players: Annotated[int | None, Option("Most clips to play. Default: as many as fit the page.", least=0)] = None


@dataclass(frozen=True)
class Machine(OptionGroup):
    """Where and how the work runs."""

    panel: ClassVar[str] = MACHINE

    device: Annotated[str, Option("auto, cpu, cuda, cuda:1, ...", everyday=True)] = "auto"
    batch_size: Annotated[int | None, Option("Clips in a batch. Default: 16 to generate, 8 to embed.", least=1)] = None
    jobs: Jobs = DEFAULT_JOBS
    cache_dir: Annotated[
        Path | None, Option("Features and checkpoints, kept by content. Default: $REAUDIO_CACHE or the user cache.")
    ] = None
    feature_store: Annotated[
        str | None,
        Option(
            "Object store in which machines share features beside their caches: file:///FOLDER, s3://BUCKET/FOLDER, gs://...",
            metavar="URL",
        ),
    ] = None
    where: Executor = LOCAL

    def check(self) -> None:
        if self.feature_store is not None:
            from reaudio_eval.features.object_store import ObjectStore

            ObjectStore(self.feature_store).check()
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise ReaudioError(f"--device {self.device} is not a device: use cpu, cuda or cuda:N.")


def fetch_options(measures: Measures, machine: Machine) -> Fetch:
    """Where weights may come from."""
    from reaudio_eval.clips.models import Fetch

    return Fetch(measures.allow_download, machine.cache_dir)


def scoring_options(measures: Measures, machine: Machine, seed: int, defaults: DatasetDefaults | None = None) -> Options:
    """The settings of the score stage; the dataset's ``defaults`` hold where the user names nothing."""
    from reaudio_eval.features.object_store import ObjectStore
    from reaudio_eval.scores.evaluate import DEFAULT_EMBEDDERS, Options
    from reaudio_model.common.files import default_cache_dir

    chosen = measures.metrics or (None if measures.embedders or defaults is None else defaults.metrics)
    return Options(
        protocol=measures.protocol or (defaults and defaults.protocol) or DEFAULT_PROTOCOL,
        embedders=measures.embedders or (defaults and defaults.embedders) or DEFAULT_EMBEDDERS,
        checkpoints=measures.checkpoints,
        metrics=chosen,
        require=measures.require,
        seed=seed,
        batch_size=machine.batch_size,
        device=machine.device,
        jobs=machine.jobs,
        cache_dir=machine.cache_dir or default_cache_dir(),
        allow_download=measures.allow_download,
        strict=measures.strict,
        max_seconds=measures.max_seconds,
        executor=machine.where,
        store=None if machine.feature_store is None else ObjectStore(machine.feature_store),
    )
