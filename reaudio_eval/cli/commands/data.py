"""``reaudio-eval data``: label counts and prompts of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reaudio_eval.evaluations.options import (
    DATA,
    DEFAULT_DATASET,
    OUTPUT,
    CaptionChoice,
    ClipManifest,
    Data,
    DataRoot,
    DatasetName,
    Limit,
    PerClass,
    Sample,
    SkipBadRows,
    Split,
)
from reaudio_model.common.cli import print_json, reporter
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.options import Option, OptionGroup

if TYPE_CHECKING:
    from reaudio_eval.prompts.label_counts import LabelStatistics


@dataclass(frozen=True)
class StatsRequest(OptionGroup):
    """Which dataset to count the labels of."""

    dataset: DatasetName = DEFAULT_DATASET
    data_root: DataRoot = None
    skip_bad_rows: SkipBadRows = False
    top: Annotated[int, Option("Labels listed in the text.", panel=OUTPUT, least=0, everyday=True)] = 10
    output: Annotated[
        Path | None, Option("Folder for the table (CSV) and the figure (SVG, PDF, PNG).", panel=OUTPUT, everyday=True)
    ] = None


@dataclass(frozen=True)
class PromptsRequest(OptionGroup):
    """Which prompts to write."""

    dataset: DatasetName = DEFAULT_DATASET
    data_root: DataRoot = None
    split: Annotated[
        Split, Option("Split whose prompts are used; `all` takes those of every split.", panel=DATA, everyday=True)
    ] = "test"
    captions: CaptionChoice = "1"
    per_class: PerClass = None
    clip_manifest: ClipManifest = None
    limit: Limit = None
    sample: Sample = None
    skip_bad_rows: SkipBadRows = False
    output: Annotated[Path | None, Option("CSV to write. Default: printed.", "--output -o", panel=OUTPUT, everyday=True)] = (
        None
    )


def add_to(app: typer.Typer) -> None:
    """Add the group ``data``."""
    group = typer.Typer(no_args_is_help=True, help="Label counts and prompts of a dataset.")
    add_command(
        group,
        "stats",
        StatsRequest,
        _stats,
        summary="How often each label occurs: the histogram of the paper's Figures 1 and 4, as table, JSON and figure.",
        example="reaudio-eval data stats --dataset audiocaps --data-root audiocaps/",
    )
    add_command(
        group,
        "prompts",
        PromptsRequest,
        _prompts,
        summary="The prompts of an evaluation as CSV (clip_id, caption, labels), for a system that runs elsewhere.",
        example="reaudio-eval data prompts --dataset audiocaps --data-root audiocaps/ --captions classes --output prompts.csv[/bold], "
        "then generate clips named after clip_id and give them with [bold]--clips",
    )
    app.add_typer(group, name="data")


def _stats(request: StatsRequest, how: Invocation) -> None:
    from reaudio_eval.prompts.datasets import DatasetOptions
    from reaudio_eval.prompts.label_counts import label_statistics

    statistics = label_statistics(
        request.dataset, DatasetOptions(data_root=request.data_root, skip_bad_rows=request.skip_bad_rows)
    )
    for note in statistics.notes:
        reporter(how.quiet).note(note)
    if request.output is not None and not how.dry_run:
        _write(statistics, request.output)
    if how.as_json:
        print_json(statistics.to_json())
    else:
        typer.echo(_text(statistics, request.top))


def _text(statistics: LabelStatistics, top: int) -> str:
    """The bins and the most frequent labels."""
    from reaudio_eval.reports.terminal import table_text

    labels = statistics.labels.sort_values(["n_train", "label"], ascending=[False, True]).head(top)
    tables = (frame.set_index(frame.columns[0]) for frame in (statistics.bins, labels))
    return "\n\n".join(map(table_text, tables))


def _write(statistics: LabelStatistics, output: Path) -> None:
    """``labels.csv`` and ``label_histogram.{svg,pdf,png}``."""
    from reaudio_eval.evaluations.longtail.figures import label_histogram_figure
    from reaudio_eval.prompts.strata import PAPER_BINS
    from reaudio_eval.reports.svg import save_figure
    from reaudio_model.common.files import atomic_path

    with atomic_path(output / "labels.csv") as temporary:
        statistics.labels.to_csv(temporary, index=False)
    save_figure(label_histogram_figure(statistics.labels, PAPER_BINS[::-1], statistics.split), output / "label_histogram")


def _prompts(request: PromptsRequest, how: Invocation) -> None:
    from reaudio_eval.evaluations.loading import load_dataset
    from reaudio_eval.prompts.label_counts import prompts_csv
    from reaudio_model.common.files import atomic_write, default_cache_dir

    options = {name: value for name, value in request.options().items() if name != "output"}
    found = load_dataset(Data.of(options), default_cache_dir(), reporter(how.quiet))
    text, output = prompts_csv(found), request.output
    if output is not None and not how.dry_run:
        atomic_write(output, text.encode())
    if how.as_json:
        print_json({"n_prompts": len(found.prompts), "list_sha256": found.list_sha256, "output": output and str(output)})
    elif output is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"{output}: {len(found.prompts)} prompts, list {found.list_sha256[:10]}")
