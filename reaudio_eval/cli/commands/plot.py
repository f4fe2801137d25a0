"""``reaudio-eval plot``: figures alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reaudio_eval.cli.options import SeedOption
from reaudio_model.common.cli import JsonOption, print_json

app = typer.Typer(no_args_is_help=True, help="One figure alone, from finished runs.")


@app.callback()
def _group() -> None:
    """Without it the group's only command would take the group's name."""


@app.command(
    "per-class",
    epilog="Example: [bold]reaudio-eval plot per-class reports/longtail --metric clap_score_miniature -o figures/clap[/bold]",
)
def per_class(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, or folders that contain them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File (.svg, .pdf, .png), or a stem of all three.")] = Path(
        "figures/per-class"
    ),
    metric: Annotated[
        str | None, typer.Option("--metric", help="Metric drawn. Default: CLAP score, else label recall.")
    ] = None,
    system: Annotated[
        list[str] | None, typer.Option("--system", help="Only this system, in this order; repeatable.")
    ] = None,
    show: Annotated[str, typer.Option("--show", help="Layers: points, bins, smooth.")] = "points,bins,smooth",
    strata: Annotated[str | None, typer.Option("--strata", help="Other strata along the top.")] = None,
    width: Annotated[float, typer.Option("--width", help="Inches.")] = 7.2,
    height: Annotated[float, typer.Option("--height", help="Inches.")] = 4.4,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Class scores against training frequency: a point a class, binned means, and a smooth with its band, for every system."""
    from reaudio_eval.evaluations.longtail.plots import plot_per_class

    made = plot_per_class(
        runs,
        output,
        metric=metric,
        systems=tuple(system or ()),
        layers=tuple(part.strip() for part in show.split(",") if part.strip()),
        strata=strata,
        width=width,
        height=height,
        seed=seed,
    )
    if as_json:
        table, metric_name = made.analysis.per_class, made.analysis.primary
        print_json(
            {
                "metric": metric_name,
                "systems": [s.name for s in made.analysis.systems],
                "n_classes": int(table["label"].nunique()),
                "files": [str(path) for path in made.files],
                "table": str(made.table),
            }
        )
    else:
        typer.echo("\n".join(str(path) for path in (*made.files, made.table)))
