"""What ``reaudio-eval listening`` prints: short text for people, JSON for programs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from reaudio_eval.listening.export import ListeningPlan, ListeningTest
from reaudio_eval.render.text import count, listing


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
