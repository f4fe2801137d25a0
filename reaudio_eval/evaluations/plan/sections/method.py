"""What is simulated, from which spread."""

from __future__ import annotations

from reaudio_eval.evaluations.plan.report import PlanReport
from reaudio_eval.evaluations.plan.tables import spread_view
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Method</h2>
<p>The difference of the two systems on a clip is the effect, a normal effect of its class, and normal noise of the clip and of each seed.
{{ simulations }} reports of each design are simulated and tested as the pages test: mean over classes by the mixed model,
{{ test }}, Holm's correction over {{ n_tests }} with all other tests finding nothing. Bars are 95&nbsp;% intervals of the simulation.</p>
{{ table(spread) }}
"""
TESTS = {
    "difference": "t test of the mean difference",
    "noninferior": "one-sided t test against the margin",
    "equivalent": "two one-sided t tests against the margin",
}


def content(report: PlanReport) -> Content:
    """Numbers of the simulation, and the spread."""
    simulation = report.result.simulation
    n = simulation.question.n_tests
    return {
        "simulations": f"{simulation.n_runs:,}",
        "test": TESTS[simulation.question.goal],
        "n_tests": f"{n} test{'' if n == 1 else 's'}",
        "spread": spread_view(report.result),
    }


SECTION = Section(30, "method", "Method", TEMPLATE, content)
