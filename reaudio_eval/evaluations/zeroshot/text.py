"""What ``zeroshot`` prints: short text for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from reaudio_eval.evaluations.longtail.text import plan_json
from reaudio_eval.prompts.regimes import REGIMES, label_regime
from reaudio_eval.runs.directory import number

if TYPE_CHECKING:
    from reaudio_eval.evaluations.longtail.plan import Plan
    from reaudio_eval.evaluations.zeroshot.run import ZeroshotRequest, ZeroshotResult
    from reaudio_eval.prompts.training_labels import Training


def zeroshot_plan_json(request: ZeroshotRequest, plan: Plan, training: Mapping[str, Training]) -> dict[str, Any]:
    """What ``zeroshot --dry-run`` says: the plan, the classes of each regime, and what each system was trained on."""
    dataset = plan.dataset
    regimes: dict[str, list[str]] = {}
    for label in sorted({label for p in dataset.prompts if p.labels_known for label in p.labels}):
        regimes.setdefault(label_regime(dataset, label, request.few_shot).name, []).append(
            dataset.label_names.get(label, label)
        )
    return plan_json(request.evaluation, plan) | {
        "few_shot": request.few_shot,
        "regimes": {r.name: regimes[r.name] for r in REGIMES if r.name in regimes},
        "trained_on": {name: own.text for name, own in training.items()},
    }


def zeroshot_json(result: ZeroshotResult) -> dict[str, Any]:
    """What ``zeroshot --json`` prints: sizes, means by regime, paired differences, alerts, and where the files are."""
    analysis = result.analysis
    base, primary = analysis.base, analysis.primary
    return {
        "dataset": {
            "name": base.dataset_name, "split": base.split, "n_clips": len(base.prompts), "list_sha256": base.list_sha256,
        },
        "few_shot": analysis.few_shot,
        "every_prompt": analysis.every_prompt,
        "primary": primary.name if primary else None,
        "systems": _rows(analysis.systems),
        "regimes": _rows(analysis.regimes),
        "by_regime": _rows(analysis.by_regime),
        "paired": _rows(analysis.paired),
        "alerts": [{"level": a.level, "message": a.message} for a in analysis.alerts],
        "audit": dict(result.audit),
        "report": str(result.report.html),
        "runs": [str(p) for p in result.runs],
    }  # fmt: skip


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): _plain(v) for k, v in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return number(value)
    return None if value is pd.NA else value


def zeroshot_text(result: ZeroshotResult) -> str:
    """The primary metric by regime, the verdict, the warnings, and the way to the report."""
    from reaudio_eval.evaluations.zeroshot.verdict import sentences

    analysis = result.analysis
    lines: list[str] = []
    if analysis.primary is not None:
        metric = analysis.primary
        lines += [
            f"{metric.title}: mean over classes by regime ({'higher' if metric.higher_is_better else 'lower'} is better)",
            "",
        ]
        frame = analysis.by_regime[analysis.by_regime["metric"] == metric.name]
        titles = {r["regime"]: f"{r['title']} ({r['n_classes']})" for r in analysis.regimes.to_dict("records")}
        table = frame.assign(regime=frame["regime"].map(titles)).pivot(index="system", columns="regime", values="value")
        table = table.reindex(index=[s.name for s in analysis.base.systems], columns=list(titles.values()))
        lines += [table.round(3).to_string(na_rep="-"), ""]
    lines += [str(sentence.striptags()) for sentence in sentences(analysis)] + [""]
    lines += [f"Warning: {a.message}" for a in analysis.alerts if a.level == "warning"]
    lines.append(f"Report: {result.report.html}")
    return "\n".join(lines)
