"""Power of the designs, and the fewest classes."""

from __future__ import annotations

from reaudio_eval.evaluations.plan.figure import power_figure, power_finding
from reaudio_eval.evaluations.plan.report import PlanReport, curves
from reaudio_eval.evaluations.plan.tables import needed_view, power_view
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Power</h2>
{{ legend(curves) }}
<div class="chart mid">{{ figure }}</div>
{{ table(needed) }}
<details><summary>{{ power.caption }}</summary>{{ table(power) }}</details>
"""


def content(report: PlanReport) -> Content:
    """Figure and tables."""
    result = report.result
    return {
        "curves": curves(result),
        "figure": report.figures.add("power", power_figure(result), power_finding(result)),
        "needed": needed_view(result),
        "power": power_view(result),
    }


SECTION = Section(20, "power", "Power", TEMPLATE, content)
