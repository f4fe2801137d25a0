"""Page of a plan: page, figure, tables and JSON."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.evaluations.plan.report import PlanReport, curves
from reaudio_eval.evaluations.plan.result import PlanResult
from reaudio_eval.reports.files import record_json, write_tables
from reaudio_eval.reports.page import PageHead
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.reports.report import write_report
from reaudio_eval.reports.section import find_sections
from reaudio_eval.reports.text import count


def render_plan(result: PlanResult, output: Path) -> RenderedReport:
    """Write ``plan.html``, ``plan.json``, ``tables/`` (CSV) and ``figures/`` into ``output``.

    Raises:
        ReaudioError: ``output`` cannot be written.
    """
    question = result.simulation.question
    pilot = [] if result.pilot is None else [f"{result.pilot.system} - {result.pilot.baseline}", result.pilot.metric.title]
    facts = [*pilot, result.aim, f"power {result.request.power:g}", count(question.n_tests, "test")]
    head = PageHead("plan", "Plan of an evaluation", "Plan of an evaluation", facts, curves(result))
    return write_report(
        head,
        find_sections("reaudio_eval.evaluations.plan.sections"),
        lambda figures, _: PlanReport(result, figures),
        output,
        record=record_json({**result.summary(), "verdict": list(result.verdict)}),
        tables=write_tables(result.frames, [], output / "tables"),
    )
