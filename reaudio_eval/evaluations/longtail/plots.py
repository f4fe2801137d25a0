"""``reaudio-eval plot``: one figure alone, from finished runs, for a paper or a slide."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.evaluations.longtail.figures import LAYERS, frequency_figure
from reaudio_eval.evaluations.longtail.rerender import analyse_runs
from reaudio_eval.reports.drawing import add_legend
from reaudio_eval.reports.svg import figure_bytes, name_points
from reaudio_eval.runs.directory import read_run
from reaudio_eval.runs.find import find_runs
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.primary import choose_primary
from reaudio_model.common.errors import ReaudioError, UnknownNameError, one_of
from reaudio_model.common.files import atomic_path, atomic_write

SUFFIXES = ("svg", "pdf", "png")
SMALLEST, LARGEST = 2.0, 30.0  # inches
COLUMNS = ["system", "metric", "label", "name", "n_train", "stratum", "n_clips", "value"]


@dataclass(frozen=True)
class PerClassPlot:
    """What was drawn. files: figures; table: CSV of the classes; analysis: of the one metric."""

    files: tuple[Path, ...]
    table: Path
    analysis: LongtailAnalysis


def plot_per_class(
    runs: Sequence[Path],
    output: Path,
    *,
    metric: str | None = None,
    systems: Sequence[str] = (),
    layers: Sequence[str] = LAYERS,
    strata: str | None = None,
    width: float = 7.2,
    height: float = 4.4,
    seed: int = 0,
) -> PerClassPlot:
    """Class scores against training frequency: points, binned means, and a smooth with its band, for several systems.

    In the SVG a browser names the class under the pointer.

    Args:
        runs: run directories, or folders that contain them; of several runs of one system the newest counts.
        output: a file (``.svg``, ``.pdf`` or ``.png``), or a stem of all three. ``<stem>.csv`` beside it holds the classes.
        metric: name; None takes the runs' primary by default: CLAP score, else label recall, else the first with a value a clip.
        systems: those drawn, in this order; () draws all.
        layers: of :data:`reaudio_eval.evaluations.longtail.figures.LAYERS`.
        strata: a scheme for the marks along the top; None takes the runs'.
        width, height: inches, 2 to 30.
        seed: of the bootstrap.

    Returns:
        Paths and numbers.

    Raises:
        ReaudioError: see :func:`reaudio_eval.evaluations.longtail.rerender.analyse_runs`; a size out of range, no
            layer, a metric without class scores.
        UnknownNameError: metric, system or layer.
    """
    _check(layers, width, height)
    name = metric or _default_metric(runs)
    analysis, _ = analyse_runs(runs, primary=name, strata=strata, seed=seed, only=name)
    analysis = _only(analysis, systems)
    chart = frequency_figure(analysis, analysis.metric(name), show=layers, size=(width, height))
    if chart is None:
        raise ReaudioError(f"{name} has no value for any class, so there is nothing to draw: choose another --metric.")
    names = {gid: [_describe(analysis, row) for row in rows] for gid, rows in chart.points.items()}
    add_legend(chart, analysis.systems)
    stem, kinds = _targets(output)
    files = []
    for kind in kinds:
        data = figure_bytes(chart.figure, kind, stem.name)
        target = stem.with_name(f"{stem.name}.{kind}")
        atomic_write(target, name_points(data, names) if kind == "svg" else data)
        files.append(target)
    table = stem.with_name(f"{stem.name}.csv")
    with atomic_path(table) as temporary:
        analysis.per_class[COLUMNS].to_csv(temporary, index=False)
    return PerClassPlot(tuple(files), table, analysis)


def _check(layers: Sequence[str], width: float, height: float) -> None:
    if not layers:
        raise ReaudioError(f"There is nothing to draw: give --show with at least one of {', '.join(LAYERS)}.")
    for layer in layers:
        one_of("layer", layer, LAYERS)
    for option, inches in (("--width", width), ("--height", height)):
        if not SMALLEST <= inches <= LARGEST:
            raise ReaudioError(f"{option} must be {SMALLEST:.0f} to {LARGEST:.0f} inches, not {inches:g}.")


def _default_metric(paths: Sequence[Path]) -> str:
    first = read_run(find_runs(paths)[0])
    metrics: list[MetricInfo] = [m for m in first.scores.metrics if m.level != "set"]
    values = pd.DataFrame([{"metric": name, "value": (row or {}).get("value")} for name, row in first.metrics.items()])
    chosen = choose_primary(metrics, values.reindex(columns=["metric", "value"]), None)
    if chosen is None:
        raise ReaudioError(f"The run {first.path} has no metric with a value for a clip: score it with one.")
    return chosen.name


def _only(analysis: LongtailAnalysis, systems: Sequence[str]) -> LongtailAnalysis:
    if not systems:
        return analysis
    known = {s.name: s for s in analysis.systems}
    for name in systems:
        if name not in known:
            raise UnknownNameError("system", name, known)
    kept = tuple(known[name] for name in dict.fromkeys(systems))
    rows = {key: getattr(analysis, key) for key in ("per_class", "curve", "bins")}
    return dataclasses.replace(analysis, systems=kept, **{key: f[f["system"].isin(systems)] for key, f in rows.items()})


def _describe(analysis: LongtailAnalysis, row: int) -> str:
    if row < 0:
        return ""
    label = analysis.labels.iloc[row]
    return f"{label['name']}: {label['n_train']:,} training, {label['n_test']:,} test clips"


def _targets(output: Path) -> tuple[Path, tuple[str, ...]]:
    suffix = output.suffix.lower().removeprefix(".")
    if suffix in SUFFIXES:
        return output.with_suffix(""), (suffix,)
    return output, SUFFIXES
