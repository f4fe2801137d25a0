"""Plan and run of the plan of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.plan.pilot import PilotPair, read_pilot
from reaudio_eval.evaluations.plan.request import PlanRequest
from reaudio_eval.evaluations.plan.result import PlanResult
from reaudio_eval.frames.evaluations import PLAN_FRAMES
from reaudio_eval.statistics.margins import check_margin
from reaudio_eval.statistics.power import MAX_CLASSES, MAX_CLIPS, Design, Power, Question, Simulation, Spread
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter

CLASSES, PER_CLASS, SEEDS = (20, 50, 100, 200), (1, 2, 4, 8), (1, 2, 4)
USUAL_TESTS = 4  # one system against one control: all classes, the rarest stratum, unseen classes, the gap
USUAL_MARGIN_TESTS = 3  # without the gap


@dataclass(frozen=True)
class DesignPlan:
    """The request, the pilot (None without one), and what is simulated.

    Attributes:
        simulation: question and spread.
        classes, per_class, seeds: of the designs.
    """

    request: PlanRequest
    pilot: PilotPair | None
    simulation: Simulation
    classes: tuple[int, ...]
    per_class: tuple[int, ...]
    seeds: tuple[int, ...]

    @property
    def designs(self) -> list[Design]:
        """Every combination."""
        return [Design(n, m, s) for m, s, n in product(self.per_class, self.seeds, self.classes)]

    def to_json(self) -> Json:
        question, spread = self.simulation.question, self.simulation.spread
        return {
            "pilot": None if self.pilot is None else {"system": self.pilot.system, "baseline": self.pilot.baseline},
            "metric": None if self.pilot is None else self.pilot.metric.name,
            "goal": question.goal,
            "effect": question.effect,
            "margin": question.margin,
            "power": self.request.power,
            "n_tests": question.n_tests,
            "spread": {"class_sd": spread.classes, "clip_sd": spread.clips, "seed_sd": spread.seeds},
            "classes": list(self.classes),
            "per_class": list(self.per_class),
            "seeds": list(self.seeds),
            "simulations": self.simulation.n_runs,
        }


def plan(request: PlanRequest, reporter: Reporter) -> DesignPlan:
    """Read the pilot, and choose the designs.

    Raises:
        ReaudioError: see :func:`reaudio_eval.evaluations.plan.pilot.read_pilot`; a margin that the metric cannot have; a design that is too
            large to simulate, or a spread of 0.
    """
    pilot = read_pilot(request) if request.runs else None
    if pilot is not None and request.margin is not None:
        check_margin(request.margin, pilot.metric)
    usual = USUAL_TESTS if request.margin is None else USUAL_MARGIN_TESTS
    n_tests = request.tests or (usual if pilot is None else pilot.n_tests)
    spread = _spread(request, pilot)
    if spread == Spread(0.0, 0.0, 0.0):
        raise ReaudioError(
            "Every standard deviation is 0, so that one clip shows any difference: give --class-sd and --clip-sd."
        )
    usual_classes = CLASSES if pilot is None else tuple(sorted({*CLASSES, pilot.found.n_classes}))
    found = DesignPlan(
        request,
        pilot,
        Simulation(
            Question(request.true_effect, request.shown, request.margin, n_tests), spread, request.simulations, request.seed
        ),
        request.classes or usual_classes,
        request.per_class or PER_CLASS,
        request.seeds or (SEEDS if spread.seeds else SEEDS[:1]),
    )
    for design in found.designs:
        if not design.feasible:
            raise ReaudioError(
                f"{design.n_classes:,} classes with {design.per_class:,} prompts each are too many to simulate: at most {MAX_CLASSES:,} "
                f"classes and {MAX_CLIPS:,} prompts in all."
            )
    return found


def _spread(request: PlanRequest, pilot: PilotPair | None) -> Spread:
    """The given standard deviations, else those of the pilot."""
    found = Spread(0.0, 0.0) if pilot is None else pilot.found.spread
    given = (request.class_sd, request.clip_sd, request.seed_sd)
    known = (found.classes, found.clips, found.seeds)
    return Spread(*(known if value is None else value for value, known in zip(given, known, strict=True)))


def run(plan: DesignPlan, reporter: Reporter) -> PlanResult:
    """Simulate the reports of every design, and search the fewest classes for each number of prompts and seeds."""
    simulation, target = plan.simulation, plan.request.power
    searches = list(product(plan.per_class, plan.seeds))
    with reporter.stage("Simulating", len(plan.designs) + len(searches)) as advance:
        powers = []
        for design in plan.designs:
            powers.append(simulation.power(design))
            advance(1)
        needed = []
        for per_class, n_seeds in searches:
            needed.append((per_class, n_seeds, simulation.needed(per_class, n_seeds, target)))
            advance(1)
    frames = {
        "needed": PLAN_FRAMES["needed"].frame(_needed_rows(plan, needed)),
        "power": PLAN_FRAMES["power"].frame(map(_power_row, powers)),
        "spread": PLAN_FRAMES["spread"].frame(_spread_rows(plan)),
    }
    return PlanResult(plan.request, plan.pilot, simulation, frames)


def _power_row(power: Power) -> dict[str, Any]:
    design = power.design
    return {
        "classes": design.n_classes,
        "per_class": design.per_class,
        "seeds": design.n_seeds,
        "n_clips": design.n_clips,
        "power": power.value,
        "power_low": power.low,
        "power_high": power.high,
    }


def _needed_rows(plan: DesignPlan, found: list[tuple[int, int, Power | None]]) -> Iterator[dict[str, Any]]:
    for per_class, n_seeds, power in found:
        spread = plan.simulation.spread
        one = Design(1, per_class, n_seeds)
        row: dict[str, Any] = {"per_class": per_class, "seeds": n_seeds}
        row["share_classes"] = spread.classes**2 / spread.of_mean(one) ** 2
        if power is None:
            most = min(MAX_CLASSES, MAX_CLIPS // per_class)
            yield row | {"reason": f"more than {most:,} classes, the most that are simulated"}
        else:
            yield _power_row(power) | row


def _spread_rows(plan: DesignPlan) -> Iterator[dict[str, Any]]:
    request, spread, pilot = plan.request, plan.simulation.spread, plan.pilot
    given = {"classes": request.class_sd, "clips": request.clip_sd, "seeds": request.seed_sd}
    for source, value in given.items():
        known = "given" if value is not None else "pilot" if pilot is not None else "unknown"
        if source == "seeds" and known == "pilot" and pilot is not None and not pilot.found.seeds_known:
            known = "unknown"
        sd = float("nan") if known == "unknown" else getattr(spread, source)
        yield {"source": source, "sd": sd, "known_by": known}
