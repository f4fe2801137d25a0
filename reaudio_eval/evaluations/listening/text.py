"""What ``reaudio-eval listening`` prints: short text for people, JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from reaudio_eval.evaluations.listening.analyse import ListeningResult
from reaudio_eval.evaluations.listening.export import ListeningPlan, ListeningTest
from reaudio_eval.evaluations.listening.page import sentences
from reaudio_eval.evaluations.listening.tables import value_digits, value_name
from reaudio_eval.reports.files import record_json
from reaudio_eval.reports.text import count, listing
from reaudio_eval.statistics.rows import ALL


def plan_json(plan: ListeningPlan) -> dict[str, Any]:
    """What ``export --dry-run`` says."""
    key = plan.key
    kinds = Counter(item.kind for item in key.forms[0].items)
    return {
        "test_id": key.test_id,
        "design": key.design,
        "scale": key.scale if key.design == "mos" else None,
        "systems": [{"name": s.name, "kind": s.kind} for s in key.systems],
        "prompts": {name or "no stratum": sum(p.stratum == name for p in key.prompts) for name in key.strata},
        "n_forms": len(key.forms),
        "items_per_form": len(key.forms[0].items),
        "items_by_kind": dict(sorted(kinds.items())),
        "share_of_repeats_and_checks": round(1 - kinds["rating"] / len(key.forms[0].items), 3),
        "minutes_per_form": plan.minutes,
        "notes": list(key.notes),
    }


def export_json(made: ListeningTest) -> dict[str, Any]:
    """What ``export --json`` says: the plan and the files."""
    return plan_json(made.plan) | {
        "notes": list(made.notes),
        "key": str(made.key),
        "forms": [str(path) for path in made.forms],
    }


def export_text(made: ListeningTest) -> str:
    """The test in a few lines, and what to do with its files."""
    plan = plan_json(made.plan)
    key = made.plan.key
    strata = listing([f"{n} {name}" for name, n in plan["prompts"].items()])
    kinds = plan["items_by_kind"]
    extra = listing([count(n, kind) for kind, n in kinds.items() if kind != "rating"])
    lines = [
        f"Listening test {key.test_id}: {count(len(key.prompts), 'prompt')} ({strata}), {count(len(key.systems), 'system')} "
        f"({', '.join(s.name for s in key.systems)}).",
        f"{count(len(key.forms), 'form')} of {count(plan['items_per_form'], 'item')}"
        + (f", of which {extra}" if extra else "")
        + f"; about {count(plan['minutes_per_form'], 'minute')} each.",
        *(f"Note: {note}" for note in made.notes),
        f"Give to participants: {made.forms[0].parent}/",
        f"Keep to yourself: {made.key}",
    ]
    return "\n".join(lines)


def analysis_summary(result: ListeningResult) -> dict[str, Any]:
    """What ``analyse --json`` says: numbers over all prompts, metrics, exclusions, and where the report is."""
    analysis = result.analysis
    whole = {name: getattr(analysis, name) for name in ("means", "paired")}
    parts = {name: f[f["stratum"] == ALL].drop(columns="stratum") for name, f in whole.items()}
    fields = parts | {name: getattr(analysis, name) for name in ("strength", "agreement", "metrics")}
    found: dict[str, Any] = json.loads(record_json(fields))
    excluded = analysis.participants[analysis.participants["excluded"] != ""]
    return {
        "test_id": analysis.key.test_id,
        "n_participants": analysis.n_kept,
        "excluded": dict(zip(excluded["participant"], excluded["excluded"], strict=True)),
        **found,
        "notes": list(analysis.notes),
        "report": str(result.html),
    }


def analysis_text(result: ListeningResult) -> str:
    """The report's first sentences, the means, and the way to the report."""
    analysis = result.analysis
    frame = analysis.means[analysis.means["stratum"] == ALL]
    table = frame.pivot_table(index="system", columns="question", values="value", sort=False)
    return "\n".join(
        [
            *sentences(analysis),
            "",
            f"{value_name(analysis)[0].upper()}{value_name(analysis)[1:]}:",
            table.round(value_digits(analysis)).to_string(na_rep="-"),
            "",
            *(f"Note: {note}" for note in analysis.notes),
            f"Report: {result.html}",
        ]
    )
