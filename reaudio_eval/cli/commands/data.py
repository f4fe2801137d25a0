"""``reaudio-eval data``: look at a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reaudio_eval.cli.options import (
    DEFAULT_DATASET,
    CaptionsOption,
    ClipManifestOption,
    DataRootOption,
    DatasetOption,
    PerClassOption,
    SplitOption,
    parse_captions,
)
from reaudio_model.common.cli import JsonOption, print_json

app = typer.Typer(no_args_is_help=True, help="Look at a dataset.")


@app.command("stats", epilog="Example: [bold]reaudio-eval data stats --dataset audiocaps --data-root audiocaps/[/bold]")
def data_stats(
    dataset: DatasetOption = DEFAULT_DATASET,
    data_root: DataRootOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for the table (CSV) and the figure (SVG, PDF, PNG).")
    ] = None,
    top: Annotated[int, typer.Option("--top", help="Labels listed in the text.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """How often each label occurs: the histogram of the paper's Figures 1 and 4, as table, JSON and figure."""
    from reaudio_eval.evaluations.longtail.text import statistics_text, write_statistics

    statistics = _statistics(dataset, data_root)
    if output is not None:
        write_statistics(statistics, output)
    if as_json:
        print_json(statistics.to_json())
    else:
        typer.echo(statistics_text(statistics, top))


def _statistics(dataset: str, data_root: Path | None) -> Any:
    from reaudio_eval.prompts.datasets import DatasetOptions
    from reaudio_eval.prompts.label_counts import label_statistics

    return label_statistics(dataset, DatasetOptions(data_root=data_root))


@app.command(
    "prompts",
    epilog="Example: [bold]reaudio-eval data prompts --dataset audiocaps --data-root audiocaps/ --captions classes "
    "--output prompts.csv[/bold], then generate clips named after clip_id and give them with --clips",
)
def data_prompts(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="CSV to write. Default: printed.")] = None,
    dataset: DatasetOption = DEFAULT_DATASET,
    data_root: DataRootOption = None,
    split: SplitOption = "test",
    captions: CaptionsOption = "1",
    per_class: PerClassOption = None,
    clip_manifest: ClipManifestOption = None,
    as_json: JsonOption = False,
) -> None:
    """The prompts of an evaluation as CSV (clip_id, caption, labels), for a system that runs elsewhere."""
    from reaudio_eval.evaluations.longtail.plan import LongtailRequest, load_dataset
    from reaudio_eval.prompts.datasets import DatasetOptions
    from reaudio_eval.prompts.label_counts import prompts_csv
    from reaudio_model.common.files import atomic_write

    chosen = parse_captions(captions, per_class)
    data = DatasetOptions(data_root, None, clip_manifest, split, chosen.number)
    found = load_dataset(LongtailRequest(dataset, data, Path(), class_prompts=chosen.class_prompts))
    text = prompts_csv(found)
    if output is not None:
        atomic_write(output, text.encode())
    if as_json:
        print_json({"n_prompts": len(found.prompts), "list_sha256": found.list_sha256, "output": output and str(output)})
    elif output is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"{output}: {len(found.prompts)} prompts, list {found.list_sha256[:10]}")
