"""What the commands print: short text for people, JSON for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from reaudio_eval.evaluations.longtail.figures import label_histogram_figure
from reaudio_eval.prompts.label_counts import LabelStatistics
from reaudio_eval.reports.svg import save_figure
from reaudio_eval.reports.views import arrow
from reaudio_eval.runs.directory import number, overall_json
from reaudio_model.common.files import atomic_path

if TYPE_CHECKING:
    from reaudio_eval.evaluations.compare.run import ComparisonResult
    from reaudio_eval.evaluations.longtail.plan import LongtailRequest, Plan
    from reaudio_eval.evaluations.longtail.run import LongtailResult


def plan_json(request: LongtailRequest, plan: Plan) -> dict[str, Any]:
    """What ``longtail --dry-run`` says."""
    dataset = plan.dataset
    return {
        "dataset": {"name": dataset.name, "split": dataset.split, "n_prompts": len(dataset.prompts)},
        "n_references": len(dataset.references),
        "notes": list(dataset.notes),
        "strata": {s.name: s.range_text for s in plan.strata},
        "systems": [
            {"name": r.name, "model": r.model, "folder": None if r.source is None else str(r.source)} for r in plan.requests
        ],
        "embedders": {name: str(e.checkpoint) for name, e in plan.tools.embedders.items()},
        "metrics": {m.info.name: m.unavailable or "will be computed" for m in plan.tools.metrics},
        "output": str(request.output),
    }


def longtail_json(result: LongtailResult) -> dict[str, Any]:
    """What ``longtail --json`` prints: overall numbers of each system, numbers by stratum, alerts, and where the files are."""
    analysis = result.analysis
    return {
        "dataset": {
            "name": analysis.dataset_name,
            "split": analysis.split,
            "n_clips": len(analysis.prompts),
            "list_sha256": analysis.list_sha256,
        },
        "primary": analysis.primary,
        "systems": {s.name: overall_json(analysis, s.name) for s in analysis.systems},
        "strata": _strata_json(analysis.by_stratum),
        "alerts": [{"level": a.level, "message": a.message} for a in analysis.alerts],
        "audit": dict(result.audit),
        "report": str(result.report.html),
        "runs": [str(p) for p in result.runs],
    }


def _strata_json(frame: pd.DataFrame) -> dict[str, Any]:
    """metric -> stratum -> system -> value and interval."""
    table: dict[str, Any] = {}
    for row in frame.to_dict("records"):
        cell: dict[str, Any] = {key: number(row[key]) for key in ("value", "ci_low", "ci_high")}
        cell |= {key: _whole(row[key]) for key in ("n_classes", "n_clips")}
        table.setdefault(row["metric"], {}).setdefault(row["stratum"], {})[row["system"]] = cell
    return table


def _whole(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def longtail_text(result: LongtailResult) -> str:
    """The primary metric by stratum, the warnings, and the way to the report."""
    analysis = result.analysis
    lines: list[str] = []
    if analysis.primary is not None:
        metric = analysis.metric(analysis.primary)
        direction = "higher" if metric.higher_is_better else "lower"
        lines += [f"{metric.title}: mean over classes by training count ({direction} is better)", ""]
        frame = analysis.by_stratum[analysis.by_stratum["metric"] == metric.name]
        table = frame.pivot_table(index="system", columns="stratum", values="value", sort=False)
        lines += [table.round(3).to_string(na_rep="-"), ""]
    lines += [f"Warning: {a.message}" for a in analysis.alerts if a.level == "warning"]
    lines.append(f"Report: {result.report.html}")
    return "\n".join(lines)


def compare_json(result: ComparisonResult) -> dict[str, Any]:
    """What ``compare --json`` prints: overall numbers, differences to the baseline, alerts, and where the files are."""
    comparison, analysis = result.comparison, result.comparison.analysis
    return {
        "dataset": {"name": analysis.dataset_name, "split": analysis.split, "n_clips": len(analysis.prompts)},
        "primary": analysis.primary,
        "baseline": comparison.baseline,
        "compared": list(comparison.compared),
        "systems": {s.name: overall_json(analysis, s.name) for s in analysis.systems},
        "differences": _difference_json(comparison.strata),
        "alerts": [{"level": a.level, "message": a.message} for a in analysis.alerts],
        "runs": dict(zip(comparison.runs["system"], comparison.runs["run"], strict=True)),
        "report": str(result.report.html),
        "json": str(result.report.json),
        "tables": [str(p) for p in result.report.tables],
        "figures": [str(p) for p in result.report.figures],
    }


def _difference_json(frame: pd.DataFrame) -> dict[str, Any]:
    """metric -> quantity ("all", a stratum, ...) -> system -> system minus baseline, interval, p-values."""
    table: dict[str, Any] = {}
    for row in frame.to_dict("records"):
        cell: dict[str, Any] = {
            k: number(row[k]) for k in ("difference", "ci_low", "ci_high", "p_value", "p_holm", "detectable")
        }
        cell |= {key: _whole(row[key]) for key in ("n_classes", "n_clips")}
        cell["reason"] = row["reason"] if isinstance(row["reason"], str) else None
        table.setdefault(row["metric"], {}).setdefault(row["quantity"], {})[row["system"]] = cell
    return table


def compare_text(result: ComparisonResult) -> str:
    """Every metric over all clips, the warnings, and the way to the page."""
    analysis = result.comparison.analysis
    lines = [
        f"{len(analysis.prompts)} clips of {analysis.dataset_name}/{analysis.split}, baseline {result.comparison.baseline}",
        "",
    ]
    table = analysis.overall.pivot(index="metric", columns="system", values="value")
    table = table.reindex([m.name for m in analysis.metrics])[[s.name for s in analysis.systems]]
    table.index = pd.Index([f"{m.title} {arrow(m)}" for m in analysis.metrics])
    lines += [table.astype("float64").round(3).to_string(na_rep="-", line_width=120), ""]
    lines += [f"Warning: {a.message}" for a in analysis.alerts if a.level == "warning"]
    lines.append(f"Report: {result.report.html}")
    return "\n".join(lines)


def statistics_text(statistics: LabelStatistics, top: int) -> str:
    """The bins and the most frequent labels."""
    labels = statistics.labels.sort_values(["n_train", "label"], ascending=[False, True]).head(top)
    return "\n".join([statistics.bins.to_string(index=False), "", labels.to_string(index=False)])


def write_statistics(statistics: LabelStatistics, output: Path) -> None:
    """``labels.csv`` and ``label_histogram.{svg,pdf,png}`` in ``output``."""
    with atomic_path(output / "labels.csv") as temporary:
        statistics.labels.to_csv(temporary, index=False)
    save_figure(label_histogram_figure(statistics.labels, statistics.split), output / "label_histogram")
