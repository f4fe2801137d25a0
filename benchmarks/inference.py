"""Coverage of intervals, level and power of tests, in simulated scores on real label structures.

    python benchmarks/inference.py [--part coverage|equal|tests|power] [--inference sampled-classes|fixed-classes] [--runs 300]
        [--only STRUCTURE] [--data-root AUDIOCAPS] [--jobs 2] [--csv FILE]

Every number comes from the functions that make the reports, on scores whose means are known (``inference_worlds.py``). Seeds are fixed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from inference_worlds import SCALES, Kind, Level, Sampler, World, structures
from scipy import optimize

from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.class_table import Bools, ClassTable, Summary, summarise
from reaudio_eval.statistics.context import Context, Estimand
from reaudio_eval.statistics.estimates import gap, head_and_tail, macro, micro, ratio
from reaudio_eval.statistics.families import GAP, detectable_at, named_quantities
from reaudio_eval.statistics.intervals import Estimate, detectable_difference, holm, t_test_p
from reaudio_eval.statistics.paired import quantities
from reaudio_eval.statistics.predicted import shrunken, worst_tenth
from reaudio_eval.statistics.thresholds import ALPHA, MIN_CLASSES
from reaudio_eval.statistics.trends import slope, spearman

Row = dict[str, Any]
CLASS_SCORES = 4  # one run in so many: each has an interval for every class
METRIC = MetricInfo("score", "Score", "label", True, "", "")
DISTRIBUTIONS: list[tuple[Kind, float]] = [
    *(("accuracy", p) for p in (0.05, 0.1, 0.3, 0.5, 0.8, 0.95)), ("log-normal", 0.5), ("log-normal", 1.0), ("cosine", 0.0),
]  # fmt: skip


def grid() -> Iterator[World]:
    """The worlds of the grid: score, level, class effects, clip effects."""
    for (kind, parameter), classes in product(DISTRIBUTIONS, (0.0, 1.0)):
        levels: list[tuple[Level, float]] = [("label", 0.0), ("label", 0.5), ("clip", 0.0)]
        for level, clips in levels:
            yield World(kind, parameter, level, classes, clips)


def about(structure: str, world: World) -> Row:
    """Columns that name a cell."""
    return {
        "structure": structure, "score": world.title, "level": world.level, "classes": world.class_effects, "clips": world.clip_effects,
    }  # fmt: skip


def coverage(
    structure: str, table: ClassTable, world: World, runs: int, estimand: Estimand = "sampled-classes"
) -> list[Row]:
    """How often the interval of each quantity covers its target."""
    sampler = Sampler(table, world, np.random.default_rng(1))
    context = Context(table, MIN_CLASSES, estimand)
    drawn, effects = [], []
    for _ in range(runs):
        effects.append(sampler.effects())
        drawn.append(summarise(sampler.array(sampler.scores(effects[-1], sampler.noise())), table, SCALES[world.kind]))
    context.prepare(drawn)
    outcomes: dict[str, list[tuple[bool, float, float]]] = {}
    for summary, of_classes in zip(drawn, effects, strict=True):
        targets = [
            summarise(sampler.array(sampler.expected(of_classes, sampled)), table)
            for sampled in (estimand == "sampled-classes", False)
        ]
        for name, estimate, target in _estimates(summary, *targets, world, context):
            if estimate.interval.reason is None:
                outcomes.setdefault(name, []).append(_outcome(estimate, target))
    for summary, of_classes in list(zip(drawn, effects, strict=True))[::CLASS_SCORES]:
        expected = summarise(sampler.array(sampler.expected(of_classes, sampled=False)), table).class_means
        _, low, high = shrunken(summary, context)
        inside = (low <= expected) & (expected <= high)
        outcomes.setdefault("class scores", []).append((bool(inside.any()), 0.0, float(np.mean(inside))))
    rows = []
    for name, values in outcomes.items():
        covered, bias, width = (np.array(column) for column in zip(*values, strict=True))
        share = float(width.mean()) if name == "class scores" else float(covered.mean())
        measured = {"coverage": share, "bias": float(bias.mean()), "width": float(width.mean())}
        rows.append(
            about(structure, world) | measured | {"quantity": name, "runs": len(values), "n_clips": _clips(name, table)}
        )
    return rows


def _estimates(
    summary: Summary, target: Summary, of_these: Summary, world: World, context: Context
) -> Iterator[tuple[str, Estimate, float]]:
    table = context.table
    for i, stratum in enumerate(table.strata):
        classes = table.stratum == i
        if classes.sum() >= MIN_CLASSES:
            yield stratum.name, macro(summary, classes, context), float(target.class_means[classes].mean())
    yield "classes", macro(summary, summary.defined, context), float(target.class_means.mean())
    head, tail = (float(target.class_means[table.stratum == s].mean()) for s in head_and_tail(table))
    yield "gap", gap(summary, context), head - tail
    yield "ratio", ratio(summary, context), tail / head
    sums = of_these.clip_sums.sum() / of_these.clip_counts.sum()
    yield "all clips", micro(summary, context), float(sums)
    yield "slope", slope(summary, context), 0.0
    if not world.class_effects:
        yield "spearman", spearman(summary, context), 0.0
        worst = worst_tenth(summary, world.kind != "log-normal", context)
        yield "worst tenth", worst, float(target.class_means.mean())


def _outcome(estimate: Estimate, target: float) -> tuple[bool, float, float]:
    """Whether the interval covers the target, the error, and its width."""
    interval = estimate.interval
    return interval.low <= target <= interval.high, estimate.value - target, interval.high - interval.low


def _clips(name: str, table: ClassTable) -> int:
    for i, stratum in enumerate(table.strata):
        if stratum.name == name:
            return int(table.member[:, table.stratum == i].any(axis=1).sum())
    return int(table.member.any(axis=1).sum())


EQUAL: list[tuple[Kind, float]] = [
    ("accuracy", 0.05),
    ("accuracy", 0.1),
    ("accuracy", 0.15),
    ("accuracy", 0.3),
    ("accuracy", 0.5),
    ("accuracy", 0.8),
    ("log-normal", 0.5),
]


def equal_classes(structure: str, table: ClassTable, world: World, runs: int) -> list[Row]:
    """What is found of a long tail where every class has the same expected score."""
    sampler = Sampler(table, world, np.random.default_rng(4))
    context = Context(table, MIN_CLASSES)
    drawn = [
        summarise(sampler.array(sampler.scores(sampler.effects(), sampler.noise())), table, SCALES[world.kind])
        for _ in range(runs)
    ]
    context.prepare(drawn)
    found = {
        "gap": [gap(s, context) for s in drawn],
        "slope": [slope(s, context) for s in drawn],
        "spearman": [spearman(s, context) for s in drawn],
        "worst tenth": [worst_tenth(s, world.kind != "log-normal", context) for s in drawn],
    }
    target = _level(sampler, "classes")
    rows = []
    for name, estimates in found.items():
        true = target if name == "worst tenth" else 0.0
        missed = [not e.interval.low <= true <= e.interval.high for e in estimates]
        rows.append(about(structure, world) | {"quantity": name, "true": true, "mean": float(np.mean([e.value for e in estimates])),
                                              "excluded": float(np.mean(missed)), "runs": runs})  # fmt: skip
    return rows


def tests(structure: str, table: ClassTable, world: World, runs: int) -> list[Row]:
    """How often paired tests reject for two systems of equal quality, which differ at random by class where the world has class effects."""
    sampler = Sampler(table, world, np.random.default_rng(2))
    context = Context(table, MIN_CLASSES)
    differences = [pair(sampler, context) for _ in range(runs)]
    context.prepare(differences)
    rejected: dict[str, list[bool]] = {}
    for difference in differences:
        p_values = {
            q.name: t_test_p(*q.estimate) for q in quantities(difference, context) if q.estimate.interval.reason is None
        }
        for name, p in p_values.items():
            rejected.setdefault(name, []).append(p < ALPHA)
        rejected.setdefault("family", []).append(bool((holm([p_values[n] for n in family(table)]) < ALPHA).any()))
    return [
        about(structure, world) | {"quantity": name, "rejected": float(np.mean(each)), "runs": len(each)}
        for name, each in rejected.items()
    ]


def family(table: ClassTable) -> list[str]:
    """Quantities of the confirmatory family, for one pair of systems."""
    return [q for q in named_quantities(METRIC, table, MIN_CLASSES) if table.member[:, _members(q, table)].any()]


def _members(quantity: str, table: ClassTable) -> Bools:
    """Classes of a stratum; all classes for other quantities."""
    names = [s.name for s in table.strata]
    return table.stratum == names.index(quantity) if quantity in names else np.ones(len(table.labels), dtype=bool)


def power(structure: str, table: ClassTable, world: World, runs: int) -> list[Row]:
    """How often the printed detectable difference of a quantity is found after the correction of its family.

    The difference is in the classes of that stratum alone, or in all classes for the mean over classes, and in the direction in which the
    variance grows.
    """
    context, rows = Context(table, MIN_CLASSES), []
    for quantity in (q for q in family(table) if q != GAP):
        sampler = Sampler(table, world, np.random.default_rng(3))
        level = _level(sampler, quantity)
        without = [pair(sampler, context) for _ in range(runs)]
        context.prepare(without)
        printed = float(np.median([_detectable(quantity, each, level, sampler, context) for each in without]))
        shift = _shift(sampler, quantity, printed)
        found = []
        if shift is not None:
            shifted = [pair(sampler, context, shift) for _ in range(runs)]
            context.prepare(shifted)
            found = [_significant(quantity, each, context) for each in shifted]
        measured = {"detectable": printed, "power": float(np.mean(found)) if found else np.nan, "runs": len(found)}
        rows.append(about(structure, world) | measured | {"quantity": quantity})
    return rows


def _level(sampler: Sampler, quantity: str, shift: Floats | float = 0.0) -> float:
    """Expected mean of the classes of a quantity, without effects of classes with fixed effects."""
    expected = sampler.expected(np.zeros(len(sampler.table.labels)), True, shift)
    means = summarise(sampler.array(expected), sampler.table).class_means
    return float(means[_members(quantity, sampler.table)].mean())


def _detectable(quantity: str, difference: Summary, level: float, sampler: Sampler, context: Context) -> float:
    interval = next(q.estimate.interval for q in quantities(difference, context) if q.name == quantity)
    alone = detectable_difference(interval.se, interval.df, ALPHA / len(family(context.table)))
    return detectable_at(SCALES[sampler.world.kind], level, alone)


def _significant(quantity: str, difference: Summary, context: Context) -> bool:
    names = family(context.table)
    p_values = {q.name: t_test_p(*q.estimate) for q in quantities(difference, context)}
    return bool(holm([p_values[name] for name in names])[names.index(quantity)] < ALPHA)


def _shift(sampler: Sampler, quantity: str, wanted: float) -> Floats | None:
    """What is added to the predictor of the clips of some classes so that their mean differs by ``wanted``; None where it cannot."""
    where = sampler.weights[:, _members(quantity, sampler.table)].sum(axis=1)
    sign = -1.0 if sampler.world.kind == "accuracy" and sampler.world.parameter > 0.5 else 1.0
    level = _level(sampler, quantity)

    def missing(size: float) -> float:
        return abs(_level(sampler, quantity, sign * size * where) - level) - wanted

    return None if missing(20.0) < 0 else np.asarray(sign * optimize.brentq(missing, 0.0, 20.0) * where)


def pair(sampler: Sampler, context: Context, shift: Floats | float = 0.0) -> Summary:
    """The difference of two systems that share clip effects and half of the class effects; ``shift`` is added to the first's predictor."""
    common = sampler.effects()
    clips = sampler.rng.standard_normal(int(sampler.clip.max()) + 1)
    systems = []
    for extra in (shift, 0.0):
        own = np.where(sampler.table.fixed, 0.0, sampler.effects())
        systems.append(sampler.array(sampler.scores(np.sqrt(0.5) * (common + own), sampler.noise(clips), extra)))
    scale = SCALES[sampler.world.kind].difference()
    return summarise(systems[0] - systems[1], context.table, scale)


def markdown(frame: pd.DataFrame, value: str) -> str:
    """A table of quantities by label structures: mean of a column over the worlds, and its extremes."""
    groups = frame.dropna(subset=[value]).groupby(["quantity", "structure"], sort=False)[value]
    cells = groups.agg(lambda x: f"{x.mean():.3f} ({x.min():.3f} to {x.max():.3f})").unstack().fillna("")
    columns = list(frame["structure"].unique())
    lines = [["quantity", *columns], ["---"] * (1 + len(columns))]
    lines += [[str(name), *map(str, row)] for name, row in zip(cells.index, cells[columns].to_numpy(), strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def outside(frame: pd.DataFrame) -> str:
    """Cells of coverage outside their bounds (below .92; above .985 where 100 clips or more enter), and mean widths."""
    low = frame[frame["coverage"] < 0.92]
    high = frame[(frame["coverage"] > 0.985) & (frame["n_clips"] >= 100) & (frame["quantity"] != "class scores")]
    cells = ["structure", "score", "level", "classes", "clips", "quantity", "coverage"]
    parts = [
        f"{len(rows)} of {len(frame):,} cells {what}:\n{rows[cells].to_string(index=False)}"
        for rows, what in ((low, "below .92"), (high, "above .985"))
    ]
    return "\n\n".join([*parts, "Width of the intervals:", markdown(frame[frame["quantity"] != "class scores"], "width")])


def _task(part: str, runs: int, estimand: Estimand, cell: tuple[str, ClassTable, World]) -> list[Row]:
    if part == "coverage":
        return coverage(*cell, runs, estimand)
    return {"equal": equal_classes, "tests": tests, "power": power}[part](*cell, runs)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data/audiocaps"))
    parser.add_argument("--part", choices=("coverage", "equal", "tests", "power"), default="coverage")
    parser.add_argument(
        "--inference", choices=("sampled-classes", "fixed-classes"), default="sampled-classes", help="of coverage"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--only", default="", help="structures whose name contains this")
    args = parser.parse_args(arguments)
    worlds = [World(kind, p, "label") for kind, p in EQUAL] if args.part == "equal" else list(grid())
    cells = [(n, t, w) for n, t in structures(args.data_root).items() if args.only in n for w in worlds]
    rows: list[Row] = []
    with ProcessPoolExecutor(args.jobs) as pool:
        for i, done in enumerate(pool.map(partial(_task, args.part, args.runs, args.inference), cells), 1):
            rows += done
            print(f"{i} of {len(cells)} worlds", file=sys.stderr, end="\r", flush=True)
            if args.csv:
                pd.DataFrame(rows).to_csv(args.csv, index=False)
    frame = pd.DataFrame(rows)
    print(markdown(frame, {"coverage": "coverage", "equal": "excluded", "tests": "rejected", "power": "power"}[args.part]))
    if args.part == "coverage":
        print(f"\n{outside(frame)}")


if __name__ == "__main__":
    main()
