"""``reaudio-eval data``: look at a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reaudio_eval.cli_options import DEFAULT_DATASET, DataRootOption, DatasetOption
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
    from reaudio_eval.printing import statistics_text, write_statistics

    statistics = _statistics(dataset, data_root)
    if output is not None:
        write_statistics(statistics, output)
    if as_json:
        print_json(statistics.to_json())
    else:
        typer.echo(statistics_text(statistics, top))


def _statistics(dataset: str, data_root: Path | None) -> Any:
    from reaudio_eval.data_stats import label_statistics
    from reaudio_eval.datasets import DatasetOptions

    return label_statistics(dataset, DatasetOptions(data_root=data_root))
