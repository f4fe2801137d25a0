"""Class scores against training frequency, as a figure alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.evaluations.base import Json, Result
from reaudio_eval.evaluations.longtail.figures import LAYERS, frequency_figure
from reaudio_eval.evaluations.longtail.request import PerClassRequest
from reaudio_eval.evaluations.longtail.rerender import analyse_runs, report_runs
from reaudio_eval.reports.drawing import add_legend
from reaudio_eval.reports.svg import figure_bytes, name_points
from reaudio_eval.runs.directory import Run
from reaudio_eval.runs.together import put_together
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.primary import choose_primary
from reaudio_model.common.errors import ReaudioError, UnknownNameError, one_of
from reaudio_model.common.files import atomic_path, atomic_write
from reaudio_model.common.progress import Reporter

SUFFIXES = ("svg", "pdf", "png")
OTHER_IMAGES = ("jpg", "jpeg", "gif", "webp", "eps", "tif", "tiff", "bmp")
COLUMNS = ["system", "metric", "label", "name", "n_train", "stratum", "n_clips", "value"]


@dataclass(frozen=True)
class PerClassPlan:
    """The request, the runs, and the metric that is drawn."""

    request: PerClassRequest
    runs: tuple[Run, ...]
    metric: str
    layers: tuple[str, ...]

    def to_json(self) -> Json:
        stem, kinds = _targets(self.request.output)
        return {
            "metric": self.metric,
            "layers": list(self.layers),
            "systems": {run.scores.system.name: str(run.path) for run in self.runs},
            "files": [str(stem.with_name(f"{stem.name}.{kind}")) for kind in (*kinds, "csv")],
        }


@dataclass(frozen=True, repr=False)
class PerClassPlot(Result):
    """Class scores of one metric against training frequency.

    Attributes:
        analysis: of the one metric.
        request: what is drawn and where.
        layers: of the figure.
        files: figures. table: CSV of the classes.
    """

    analysis: LongtailAnalysis
    request: PerClassRequest
    layers: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        stem, kinds = _targets(self.request.output)
        return tuple(stem.with_name(f"{stem.name}.{kind}") for kind in kinds)

    @property
    def table(self) -> Path:
        stem, _ = _targets(self.request.output)
        return stem.with_name(f"{stem.name}.csv")

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        return {"per_class": self.analysis.per_class[COLUMNS]}

    def summary(self) -> Json:
        return {
            "metric": self.analysis.primary,
            "systems": [s.name for s in self.analysis.systems],
            "n_classes": int(self.analysis.per_class["label"].nunique()),
            "files": [str(path) for path in self.files],
            "table": str(self.table),
        }

    def table_text(self) -> str:
        return "\n".join(str(path) for path in (*self.files, self.table))

    def render(self, output: Path, reporter: Reporter) -> None:
        """Write the figures, and the classes as CSV beside them. In the SVG a browser names the class under the pointer."""
        analysis, size = self.analysis, (self.request.width, self.request.height)
        chart = frequency_figure(analysis, analysis.metrics[0], show=self.layers, size=size)
        if chart is None:
            name = analysis.metrics[0].name
            raise ReaudioError(f"{name} has no value for any class, so there is nothing to draw: choose another --metric.")
        names = {gid: [_describe(analysis, row) for row in rows] for gid, rows in chart.points.items()}
        add_legend(chart, analysis.systems)
        for target in self.files:
            kind = target.suffix.removeprefix(".")
            data = figure_bytes(chart.figure, kind, target.stem)
            atomic_write(target, name_points(data, names) if kind == "svg" else data)
        with atomic_path(self.table) as temporary:
            self.tables["per_class"].to_csv(temporary, index=False)


def plan(request: PerClassRequest, reporter: Reporter) -> PerClassPlan:
    """Read the runs and choose the metric.

    Raises:
        ReaudioError: see :func:`reaudio_eval.evaluations.longtail.rerender.report_runs`; no layer, no metric with class scores.
        UnknownNameError: no such layer.
    """
    _targets(request.output)  # refuses other kinds of image before any work
    layers = tuple(part.strip() for part in request.show.split(",") if part.strip())
    if not layers:
        raise ReaudioError(f"There is nothing to draw: give --show with at least one of {', '.join(LAYERS)}.")
    for layer in layers:
        one_of("layer", layer, LAYERS)
    runs = report_runs(request.runs)[0]
    return PerClassPlan(request, runs, request.metric or _default_metric(runs[0]), layers)


def run(plan: PerClassPlan, reporter: Reporter) -> PerClassPlot:
    """The analysis of the one metric.

    Raises:
        UnknownNameError: no such metric or system.
    """
    request, name = plan.request, plan.metric
    together = put_together(plan.runs)
    analysis = analyse_runs(plan.runs, together, primary=name, strata=request.strata, estimand=request.inference, only=name)
    return PerClassPlot(_only(analysis, request.systems), request, plan.layers)


def _default_metric(first: Run) -> str:
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
    if suffix in OTHER_IMAGES:
        raise ReaudioError(f"--output {output}: figures are written as {', '.join(SUFFIXES)}, not {suffix}.")
    return output, SUFFIXES
