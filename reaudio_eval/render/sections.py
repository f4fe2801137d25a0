"""The tables of the report, one function each: ``LongtailAnalysis`` in, ``TableView`` out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reaudio_eval.records import LongtailAnalysis, MetricInfo
from reaudio_eval.render.text import count, decimals, interval, number, p_value
from reaudio_eval.render.verdict import ALPHA, Separation, ends, generated, losses, overall_separation, separate
from reaudio_eval.render.views import Cell, Column, Notes, Row, TableView, bar, fifth, fifths, lookup, scale

MIN_CLASSES, MIN_CLIPS = 5, 30  # below either, a stratum's number is greyed out

STATISTICS = {
    "gap_head_tail": "head minus tail",
    "slope": "slope per tenfold training clips",
    "ratio_tail_head": "tail / head",
    "spearman": "Spearman ρ",
    "kendall": "Kendall τ",
    "worst_10pct": "worst tenth of classes",
    "macro": "mean over classes",
    "micro": "mean over clips",
    "frequency_weighted": "weighted by frequency",
    "macro_without_ubiquitous": "classes without the ubiquitous",
    "harmonic_strata": "harmonic mean of strata",
}
TRENDS = ("gap_head_tail", "slope")
QUANTITIES = {"all": "all clips", "gap_head_tail": "head-tail gap", "slope": "slope"}

MARKS = (
    f"Marks come from paired tests only (Holm-corrected p < {ALPHA}): bold is better than every other system, ≈ cannot be told "
    "from the leader of its column while others can. A column without marks has no difference that the tests separate."
)
THIN = f"Grey: fewer than {MIN_CLASSES} classes or {MIN_CLIPS} clips."


def arrow(metric: MetricInfo) -> str:
    return "↑" if metric.higher_is_better else "↓"


def _metric_column(metric: MetricInfo) -> Column:
    return Column(metric.title, metric.unit, arrow(metric))


def _system_columns(analysis: LongtailAnalysis) -> tuple[Column, ...]:
    return tuple(Column(s.name, system=i) for i, s in enumerate(analysis.systems))


def _grouped(analysis: LongtailAnalysis, rows: list[Row]) -> tuple[tuple[Row, ...], ...]:
    """Generated systems, then real audio and noise: the latter are landmarks and never compete."""
    kinds = [s.kind for s in analysis.systems]
    competing = tuple(r for r in rows if r.system is not None and kinds[r.system] == "generated")
    others = tuple(r for r in rows if r.system is None or kinds[r.system] != "generated")
    return tuple(group for group in (competing, others) if group)


def main_table(analysis: LongtailAnalysis) -> TableView:
    """Systems by metrics over all clips, with the real-against-real floor as last row."""
    found = lookup(analysis.overall, "system", "metric")
    digits = {m.name: decimals(r.value for r in found.values() if r.metric == m.name) for m in analysis.metrics}
    separation = {m.name: overall_separation(analysis, m) for m in analysis.metrics}
    notes, rows = Notes(), []
    for i, system in enumerate(analysis.systems):
        cells = tuple(
            notes.value(found.get((system.name, m.name)), digits[m.name], mark=separation[m.name].mark(system.name))
            for m in analysis.metrics
        )
        rows.append(Row(system.name, cells, system=i, detail=count(system.n_clips, "clip")))
    groups = _grouped(analysis, rows)
    floor = _floor_row(analysis, found, digits)
    columns = (Column("system"), *map(_metric_column, analysis.metrics))
    return TableView(
        "main", "Every metric over all clips, with 95% intervals", columns, (*groups, (floor,)) if floor else groups,
        tuple(notes.reasons), (MARKS,),
    )  # fmt: skip


def _floor_row(analysis: LongtailAnalysis, found: Mapping[Any, Any], digits: Mapping[str, int]) -> Row | None:
    """What real audio scores against other real audio: no system can be told from real below it."""
    cells = []
    for metric in analysis.metrics:
        row = next((r for r in found.values() if r.metric == metric.name and math.isfinite(r.floor)), None)
        size = f"{int(row.floor_n)} against as many" if row is not None and math.isfinite(row.floor_n) else ""
        cells.append(Cell(number(row.floor, digits[metric.name]), detail=size) if row is not None else Cell(""))
    return Row("real against real", tuple(cells), detail="floor of set metrics") if any(c.text for c in cells) else None


def strata_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView:
    """Systems by strata: macro over classes, or for set metrics the clips of the stratum with their floor."""
    found = lookup(analysis.by_stratum[analysis.by_stratum["metric"] == metric.name], "system", "stratum")
    digits = decimals(r.value for r in found.values())
    notes, rows = Notes(), []
    separation = {s.name: _stratum_separation(analysis, metric, s.name, found) for s in analysis.strata}
    for i, system in enumerate(analysis.systems):
        cells = []
        for stratum in analysis.strata:
            row = found.get((system.name, stratum.name))
            style = {"mark": separation[stratum.name].mark(system.name), "css": _thin(row, metric)}
            cells.append(notes.value(row, digits, detail=_size(row, metric, digits), **style))
        rows.append(Row(system.name, tuple(cells), system=i))
    columns = (Column("system"), *(Column(s.name, f"{s.range_text} training clips") for s in analysis.strata))
    how = "clips by their rarest label" if metric.level == "set" else "mean over classes"
    return TableView(
        f"strata-{metric.name}", f"{metric.title} {arrow(metric)} by stratum ({how}), with 95% intervals", columns,
        _grouped(analysis, rows), tuple(notes.reasons), (THIN,),
    )  # fmt: skip


def _stratum_separation(analysis: LongtailAnalysis, metric: MetricInfo, stratum: str, found: Mapping[Any, Any]) -> Separation:
    values = {s: found[s, stratum].value for s in generated(analysis) if (s, stratum) in found}
    return separate(values, analysis.paired, metric, stratum)


def _thin(row: Any, metric: MetricInfo) -> str:
    if row is None:
        return ""
    few_classes = metric.level != "set" and row.n_classes < MIN_CLASSES
    return "thin" if few_classes or row.n_clips < MIN_CLIPS else ""


def _size(row: Any, metric: MetricInfo, digits: int) -> str:
    if row is None:
        return ""
    clips = count(row.n_clips, "clip")
    if metric.level == "set":
        return f"{clips}, floor {number(row.floor, digits)}" if math.isfinite(row.floor) else clips
    return f"{count(row.n_classes, 'class', 'classes')}, {clips}"


def normalised_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView | None:
    """Strata on a scale from noise (0) to real audio (1), or None where that scale does not exist."""
    found = lookup(analysis.by_stratum[analysis.by_stratum["metric"] == metric.name], "system", "stratum")
    if not any(math.isfinite(r.normalised) for r in found.values()):
        return None
    notes, rows = Notes(), []
    for i, system in enumerate(analysis.systems):
        if system.kind != "generated":
            continue
        values = [found.get((system.name, s.name)) for s in analysis.strata]
        cells = tuple(
            Cell(number(r.normalised, 2), css=_thin(r, metric))
            if r is not None and math.isfinite(r.normalised)
            else notes.cell("Noise and real audio do not both have a value here, or they agree.")
            for r in values
        )
        rows.append(Row(system.name, cells, system=i))
    columns = (Column("system"), *(Column(s.name) for s in analysis.strata))
    caption = f"{metric.title} between noise (0) and real audio (1)"
    return TableView(f"normalised-{metric.name}", caption, columns, (tuple(rows),), tuple(notes.reasons), (THIN,))


def trend_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView | None:
    """Gap and slope of every system, drawn in the cell; None where the metric has no class scores."""
    return _statistics(analysis, metric, TRENDS, f"gap-{metric.name}", "How the score falls towards rare classes")


def summary_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView | None:
    """The other summaries over classes: ratio, rank correlation, averages under other weights."""
    present = set(analysis.trend["statistic"])
    others = tuple(s for s in STATISTICS if s not in TRENDS and s in present)
    return _statistics(analysis, metric, others, f"summaries-{metric.name}", "Other summaries over classes")


def _statistics(
    analysis: LongtailAnalysis, metric: MetricInfo, statistics: tuple[str, ...], name: str, caption: str
) -> TableView | None:
    found = lookup(analysis.trend[analysis.trend["metric"] == metric.name], "system", "statistic")
    if not any(math.isfinite(r.value) and r.statistic in statistics for r in found.values()):
        return None
    of = {s: [found.get((system.name, s)) for system in analysis.systems] for s in statistics}
    digits = {s: decimals(r.value for r in rows if r is not None) for s, rows in of.items()}
    limits = {s: scale(v for r in rows if r is not None for v in (r.value, r.ci_low, r.ci_high)) for s, rows in of.items()}
    notes, table = Notes(), []
    for i, system in enumerate(analysis.systems):
        cells = []
        for s in statistics:
            row = of[s][i]
            drawn = bar(row.value, row.ci_low, row.ci_high, limits[s]) if row is not None and s in TRENDS else None
            cells.append(notes.value(row, digits[s], bar=drawn))
        table.append(Row(system.name, tuple(cells), system=i))
    columns = (Column("system"), *(Column(STATISTICS[s]) for s in statistics))
    return TableView(
        name, f"{caption}: {metric.title} {arrow(metric)}, with 95% intervals", columns, _grouped(analysis, table), tuple(notes.reasons)
    )


def paired_tables(analysis: LongtailAnalysis, metric: MetricInfo) -> list[TableView]:
    """One table a quantity: differences between systems on the same prompts."""
    rows = analysis.paired[analysis.paired["metric"] == metric.name]
    views = []
    for quantity in dict.fromkeys(rows["quantity"]):
        own = list(rows[rows["quantity"] == quantity].itertuples(index=False))
        digits = decimals(r.difference for r in own)
        limits = scale(v for r in own for v in (r.difference, r.ci_low, r.ci_high))
        notes = Notes()
        table = [Row(f"{r.system_a} − {r.system_b}", _paired_cells(r, digits, limits, notes)) for r in own]
        columns = (Column("systems"), Column("difference"), Column("p"), Column("p, Holm"), Column("detectable"), Column("n"))
        what = QUANTITIES.get(quantity, f"stratum {quantity}")
        caption = f"Paired differences in {metric.title} {arrow(metric)}: {what}"
        views.append(TableView(f"paired-{metric.name}-{quantity}", caption, columns, (tuple(table),), tuple(notes.reasons)))
    return views


def _paired_cells(row: Any, digits: int, limits: tuple[float, float], notes: Notes) -> tuple[Cell, ...]:
    size = Cell(f"{row.n_clips:,.0f}", detail=count(row.n_classes, "class", "classes") if math.isfinite(row.n_classes) else "")
    if not math.isfinite(row.difference):
        return (notes.cell(row.reason), Cell("–"), Cell("–"), Cell("–"), size)
    mark = "best" if row.p_holm < ALPHA else ""
    difference = Cell(
        number(row.difference, digits, sign=True), interval(row.ci_low, row.ci_high, digits), mark=mark,
        bar=bar(row.difference, row.ci_low, row.ci_high, limits),
    )  # fmt: skip
    return (difference, Cell(p_value(row.p_value)), Cell(p_value(row.p_holm), mark=mark), Cell(number(row.detectable, digits)), size)


def class_table(analysis: LongtailAnalysis, metric: MetricInfo, listen: Mapping[str, tuple[str, ...]]) -> TableView | None:
    """Classes by systems, most frequent first; ``listen`` maps a label to the prompts with players that carry it."""
    frame = analysis.per_class[analysis.per_class["metric"] == metric.name]
    if frame.empty:
        return None
    found = lookup(frame, "system", "label")
    digits, cuts = decimals(frame["value"]), fifths(list(frame["value"]), metric.higher_is_better)
    counts = frame.groupby("label")["n_clips"].max()
    place = list(analysis.metrics).index(metric)
    notes, rows = Notes(), []
    for number_, label in enumerate(analysis.labels.itertuples(index=False)):
        if label.label not in counts.index:
            continue
        values = [found.get((s.name, label.label)) for s in analysis.systems]
        cells = [Cell(f"{label.n_train:,}"), Cell(str(label.stratum), css="text"), Cell(f"{int(counts[label.label]):,}")]
        cells += [
            Cell(number(r.value, digits), css=fifth(r.value, cuts, metric.higher_is_better))
            if r is not None and math.isfinite(r.value)
            else notes.cell("No clip of this class has a value." if r is not None else None)
            for r in values
        ]
        rows.append((label.n_train, Row(label.name, tuple(cells), anchor=f"c-{place}-{number_}", clips=listen.get(label.label, ()))))
    ordered = tuple(row for _, row in sorted(rows, key=lambda pair: -pair[0]))
    columns = (Column("class"), Column("train"), Column("stratum", text=True), Column("test"), *_system_columns(analysis))
    missing = len(analysis.labels) - len(ordered)
    remarks = (f"Shading: fifths of all values of the table, deeper is better. {missing} classes have no test clip.",)
    return TableView(
        f"classes-{metric.name}", f"{metric.title} {arrow(metric)} of every class", columns, (ordered,), tuple(notes.reasons), remarks
    )


def bins_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView | None:
    """Class means in bins of the training count: the figure as numbers."""
    frame = analysis.bins[analysis.bins["metric"] == metric.name]
    if frame.empty:
        return None
    found, digits, notes = lookup(frame, "system", "n_train"), decimals(frame["value"]), Notes()
    rows = []
    for centre in sorted(set(frame["n_train"])):
        own = [found.get((s.name, centre)) for s in analysis.systems]
        n = max((r.n_classes for r in own if r is not None), default=0)
        cells = tuple(notes.value(r, digits) for r in own)
        rows.append(Row(f"about {centre:,.0f}", cells, detail=count(n, "class", "classes")))
    columns = (Column("training clips"), *_system_columns(analysis))
    return TableView(f"bins-{metric.name}", f"{metric.title} {arrow(metric)} in bins of the training count", columns, (tuple(rows),),
                     tuple(notes.reasons))  # fmt: skip


def sizes_table(analysis: LongtailAnalysis) -> TableView:
    """How many classes and clips each stratum has."""
    columns = (
        Column("stratum"), Column("training clips", text=True), Column("classes in training"), Column("classes in test"),
        Column("test clips with such a label"), Column("test clips by rarest label"),
    )  # fmt: skip
    ranges = {s.name: s.range_text for s in analysis.strata}
    rows = tuple(
        Row(r.stratum, (Cell(ranges.get(r.stratum, ""), css="text"), *(Cell(f"{int(n):,}") for n in r[3:7])))
        for r in analysis.strata_sizes.itertuples(index=False)
    )
    return TableView("sizes", "Strata by the number of training clips of a class", columns, (rows,))


def metrics_table(analysis: LongtailAnalysis) -> TableView:
    """What each column means and which network and checkpoint are behind it."""
    columns = (Column("metric"), *(Column(t, text=True) for t in ("name", "a value per", "better", "judge", "checkpoint", "source")))
    rows = tuple(
        Row(m.title, tuple(Cell(text, css="text") for text in (
            m.name, {"clip": "clip", "label": "clip and label", "set": "set of clips"}[m.level],
            "higher" if m.higher_is_better else "lower", m.embedder, m.embedder_sha256[:12], m.source,
        )))
        for m in analysis.metrics
    )  # fmt: skip
    return TableView("metrics", "Metrics", columns, (rows,))


def loss_table(analysis: LongtailAnalysis) -> TableView | None:
    """What every system loses from head to tail on the primary metric, drawn; for the verdict."""
    if analysis.primary is None:
        return None
    metric = analysis.metric(analysis.primary)
    found = losses(analysis, metric)
    if not any(math.isfinite(loss.value) for loss in found):
        return None
    digits = decimals(loss.value for loss in found)
    limits = scale(v for loss in found for v in (loss.value, loss.low, loss.high))
    place = {s.name: i for i, s in enumerate(analysis.systems)}
    notes = Notes()
    rows = [
        Row(
            loss.system,
            (
                Cell(number(loss.value, digits), interval(loss.low, loss.high, digits), bar=bar(loss.value, loss.low, loss.high, limits))
                if math.isfinite(loss.value)
                else notes.cell(loss.reason),
            ),
            system=place[loss.system],
        )
        for loss in found
    ]
    head, tail = ends(analysis.strata)
    columns = (Column("system"), Column(f"lost from {head} to {tail}"))
    return TableView("losses", f"{metric.title}: positive is worse on {tail}", columns, _grouped(analysis, rows), tuple(notes.reasons))
