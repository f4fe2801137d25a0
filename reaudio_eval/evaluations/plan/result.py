"""Result of the plan of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.evaluations.base import Json, Result
from reaudio_eval.evaluations.plan.pilot import PilotPair
from reaudio_eval.evaluations.plan.request import PlanRequest
from reaudio_eval.frames.rows import records
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.reports.terminal import table_text
from reaudio_eval.reports.text import count, decimals, interval, number
from reaudio_eval.statistics.analysis import Alert
from reaudio_eval.statistics.power import Simulation, Spread
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True, repr=False)
class PlanResult(Result):
    """Designs and their power.

    Attributes:
        request: what was asked.
        pilot: None with given standard deviations.
        simulation: question and spread of the simulated reports.
        frames: columns as in ``frames.evaluations.PLAN_FRAMES``.
    """

    request: PlanRequest
    pilot: PilotPair | None
    simulation: Simulation
    frames: Mapping[str, pd.DataFrame]

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The fewest classes first: what a notebook shows."""
        return self.frames

    @property
    def per_class(self) -> list[int]:
        """Numbers of prompts of a class, ascending."""
        return sorted(set(self.frames["power"]["per_class"].tolist()))

    @property
    def alerts(self) -> Sequence[Alert]:
        """What the plan cannot know."""
        found = []
        spread, seeds = self.simulation.spread, self.frames["spread"].set_index("source")["known_by"]["seeds"]
        if self.pilot is not None and seeds == "unknown":
            found.append(
                Alert(
                    "warning",
                    "The pilot has one clip of each prompt, so the spread between seeds is part of that between clips, and more seeds gain "
                    "nothing in this plan: score the pilot with --seeds 2 or more, or give --seed-sd.",
                )
            )
        if self.pilot is not None and self.request.class_sd is None and spread.classes == 0:
            found.append(
                Alert(
                    "warning",
                    f"The pilot shows no spread between its {self.pilot.found.n_classes} classes beyond that of their clips, which a small "
                    "pilot can miss: --class-sd plans for some.",
                )
            )
        return found

    @property
    def verdict(self) -> Sequence[str]:
        return [*self._pilot_sentences(), self._smallest(), *self._with_those_classes(), *self._classes_alone()]

    def _pilot_sentences(self) -> list[str]:
        if self.pilot is None:
            return []
        found, metric = self.pilot.found, self.pilot.metric
        value, ends = found.difference
        digits = decimals([value, ends.low, ends.high])
        return [
            f"Pilot: {self.pilot.system} - {self.pilot.baseline}, {metric.title}, over "
            f"{count(found.n_classes, 'class', 'classes')} and {count(found.n_clips, 'clip')}: "
            + " ".join(filter(None, [number(value, digits), interval(ends.low, ends.high, digits)]))
            + "."
        ]

    def _smallest(self) -> str:
        """The design with the fewest clips."""
        question, power = self.simulation.question, f"{self.request.power:g}"
        tests = f"Holm's correction over {count(question.n_tests, 'test')}"
        rows = self.frames["needed"].dropna(subset=["classes"])
        if rows.empty:
            return f"No design that is simulated shows {self.aim} with power {power} ({tests})."
        best = min(records(rows), key=lambda row: (row.n_clips, row.per_class, row.seeds))
        return (
            f"{self.aim[0].upper()}{self.aim[1:]} is shown with power {power} by {best.classes:.0f} classes with "
            f"{count(best.per_class, 'prompt')} each and {count(best.seeds, 'clip')} of each prompt: {count(best.n_clips, 'clip')} of each "
            f"system, the fewest clips of these designs ({tests}; simulated power {best.power:.2f})."
        )

    @property
    def aim(self) -> str:
        """What is to be shown, in words."""
        question = self.simulation.question
        effect = f"a true difference of {question.effect:g}"
        if question.goal == "difference":
            return effect
        what = "non-inferiority" if question.goal == "noninferior" else "equivalence"
        return f"{what} with the margin {question.margin:g} at {effect}"

    def _with_those_classes(self) -> list[str]:
        """What more prompts and seeds of the pilot's classes reach."""
        if self.pilot is None:
            return []
        n = self.pilot.found.n_classes
        rows = list(records(self.frames["power"].query("classes == @n")))
        if not rows:
            return []
        enough = [row for row in rows if row.power >= self.request.power]
        best = min(enough, key=lambda row: row.n_clips) if enough else max(rows, key=lambda row: row.power)
        reach = "reach" if enough else "reach no more than"
        return [
            f"The {count(n, 'class', 'classes')} of the pilot {reach} power {best.power:.2f} with "
            f"{count(best.per_class, 'prompt')} each and {count(best.seeds, 'clip')} of each prompt."
        ]

    def _classes_alone(self) -> list[str]:
        """How many classes no number of prompts can replace."""
        spread, question = self.simulation.spread, self.simulation.question
        if spread.classes == 0:
            return []
        alone = Simulation(question, Spread(spread.classes, 0.0), self.simulation.n_runs)
        fewest = alone.start(1, 1, self.request.power)
        text = f"More than {alone.limit(1):,} classes" if fewest is None else f"At least about {fewest} classes"
        return [f"{text} are needed however many prompts and seeds each has, since the difference varies between classes."]

    def summary(self) -> Json:
        question, spread = self.simulation.question, self.simulation.spread
        pilot: Json | None = None
        if self.pilot is not None:
            value, ends = self.pilot.found.difference
            pilot = {
                "system": self.pilot.system,
                "baseline": self.pilot.baseline,
                "metric": self.pilot.metric.name,
                "difference": value,
                "ci_low": ends.low,
                "ci_high": ends.high,
                "n_classes": self.pilot.found.n_classes,
                "n_clips": self.pilot.found.n_clips,
            }
        return {
            "goal": question.goal,
            "effect": question.effect,
            "margin": question.margin,
            "target_power": self.request.power,
            "n_tests": question.n_tests,
            "simulations": self.simulation.n_runs,
            "spread": {"class_sd": spread.classes, "clip_sd": spread.clips, "seed_sd": spread.seeds},
            "pilot": pilot,
            **{name: frame.to_dict("records") for name, frame in self.frames.items() if name != "spread"},
        }

    def table_text(self) -> str:
        """Power by classes against prompts and seeds, and the fewest classes."""
        frame = self.frames["power"]
        grid = frame.pivot(index=["per_class", "seeds"], columns="classes", values="power")
        table = pd.DataFrame({f"{n} classes": grid[n].to_numpy() for n in grid.columns})
        needed = self.frames["needed"].set_index(["per_class", "seeds"]).reindex(grid.index)
        table[f"classes for power {self.request.power:g}"] = ["more" if pd.isna(n) else f"{n}" for n in needed["classes"]]
        table["clips"] = ["" if pd.isna(n) else f"{n:,}" for n in needed["n_clips"]]
        names = [f"{count(m, 'prompt')} a class, {count(s, 'seed')}" for m, s in grid.index]
        table.index = pd.Index(names, name="power")
        return table_text(table, 2)

    def render(self, output: Path, reporter: Reporter) -> RenderedReport:
        from reaudio_eval.evaluations.plan.page import render_plan

        with reporter.stage("Rendering", 1) as advance:
            report = render_plan(self, output)
            advance(1)
        return report
