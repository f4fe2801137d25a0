"""What ``reaudio-eval sweep`` prints: short text for people, JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reaudio_eval.evaluations.sweep import verdict
from reaudio_eval.evaluations.sweep.tables import short_name, strata_of
from reaudio_eval.reports.files import plain
from reaudio_eval.runs.directory import overall_json

if TYPE_CHECKING:
    from reaudio_eval.evaluations.sweep.run import SweepPlan, SweepRequest, SweepResult


def plan_json(request: SweepRequest, plan: SweepPlan) -> dict[str, Any]:
    """What ``sweep --dry-run`` says."""
    dataset = plan.base.dataset
    return {
        "dataset": {"name": dataset.name, "split": dataset.split, "n_prompts": len(dataset.prompts)},
        "notes": list(dataset.notes),
        "model": request.model,
        "design": request.design,
        "n_cells": len(plan.cells),
        "n_clips": len(plan.cells) * len(dataset.prompts),
        "cells": [
            {"name": c.name, "reference": c.reference, "settings": c.settings.values(), "relative_cost": _relative(plan, c)}
            for c in plan.cells
        ],
        "metrics": {m.info.name: m.unavailable or "will be computed" for m in plan.base.tools.metrics},
        "time": "An estimate is shown once the first cell is done.",
        "output": str(request.output),
    }


def _relative(plan: SweepPlan, cell: Any) -> float:
    """Calls of the denoiser, the reference's being 1."""
    return float(round(cell.settings.cost / plan.cells[0].settings.cost, 3))


def result_json(result: SweepResult) -> dict[str, Any]:
    """What ``sweep --json`` prints: cells with their overall numbers, the primary metric along each factor, and where the files are."""
    sweep, analysis = result.sweep, result.sweep.analysis
    curves = sweep.curves[sweep.curves["metric"] == analysis.primary]
    record: dict[str, Any] = {
        "dataset": {
            "name": analysis.dataset_name,
            "split": analysis.split,
            "n_clips": len(analysis.prompts),
            "list_sha256": analysis.list_sha256,
        },
        "primary": analysis.primary,
        "reference": sweep.reference.name,
        "verdict": verdict.sentences(sweep),
        "cells": {
            cell.name: {
                "settings": cell.settings.values(),
                "seconds_per_clip": sweep.costs[cell.name],
                "metrics": overall_json(analysis, cell.name),
                "run": str(run),
            }
            for cell, run in zip(sweep.cells, result.runs, strict=True)
        },
        "factors": {factor: rows.drop(columns="factor") for factor, rows in curves.groupby("factor", sort=False)},
        "spread": sweep.spread[sweep.spread["metric"] == analysis.primary],
        "alerts": [{"level": a.level, "message": a.message} for a in analysis.alerts],
        "report": str(result.report.html),
    }
    plain_record: dict[str, Any] = plain(record)
    return plain_record


def result_text(result: SweepResult) -> str:
    """The verdict, the primary metric of every cell by stratum, the warnings, and the way to the report."""
    sweep, analysis = result.sweep, result.sweep.analysis
    lines = [*verdict.sentences(sweep), ""]
    if analysis.primary is not None:
        metric = analysis.metric(analysis.primary)
        lines += [f"{metric.title} ({'higher' if metric.higher_is_better else 'lower'} is better)", ""]
        rows = sweep.numbers[sweep.numbers["metric"] == metric.name]
        table = rows.pivot_table(index="cell", columns="stratum", values="value", sort=False, observed=True)
        table = table.reindex(columns=[s for s in strata_of(sweep) if s in table.columns])
        table.index = table.index.map(lambda name: short_name(sweep, name)).rename(None)
        lines += [table.round(3).rename_axis(columns=None).to_string(na_rep="-"), ""]
    lines += [f"Warning: {a.message}" for a in analysis.alerts if a.level == "warning"]
    return "\n".join([*lines, f"Report: {result.report.html}"])
