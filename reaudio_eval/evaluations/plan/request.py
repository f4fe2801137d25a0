"""Options of the plan of an evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import METRICS, OUTPUT, STATISTICS, SYSTEMS, Seed
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option

PILOT, AIM, DESIGNS = "Pilot", "Aim", "Designs"
MAX_VALUES = 20  # of an option with several numbers
Goal = Literal["difference", "noninferior", "equivalent"]


def counts(given: Any) -> tuple[int, ...]:
    """``"1,2,4"``, ``["1,2", "4"]`` or ``(1, 2, 4)`` as sorted numbers, each once; None stays None.

    Raises:
        ReaudioError: no whole number from 1, or more than ``MAX_VALUES``.
    """
    if given is None:
        return ()
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, Iterable) else (given,)
    words = [word.strip() for part in parts for word in (part.split(",") if isinstance(part, str) else [str(part)])]
    for word in words:
        if not (word.isascii() and word.isdigit() and int(word) > 0):
            raise ReaudioError(f"{word!r} is not a whole number from 1: give numbers such as 1,2,4.")
    found = sorted({int(word) for word in words})
    if len(found) > MAX_VALUES:
        raise ReaudioError(f"{len(found)} values of one option: give at most {MAX_VALUES}.")
    return tuple(found)


@dataclass(frozen=True)
class PlanRequest(Request):
    """What is to be shown, and what is known of the spread of a difference.

    Attributes:
        runs: run directories of a pilot; () with given standard deviations.
        system, baseline: of the pilot, whose difference is planned; None takes the system and the control by their roles.
        metric: of the pilot; None takes its primary metric.
        effect: true difference, where more is better; with a margin 0 by default.
        margin: largest difference that counts as none.
        goal: None: with a margin "noninferior", else "difference".
        class_sd, clip_sd, seed_sd: standard deviations of the difference, in place of the pilot's.
        tests: of the family that Holm's correction runs over; None takes the pilot's, or ``power.USUAL_TESTS``.
        classes, per_class, seeds: the grid of designs; () takes a usual one.
    """

    runs: Annotated[
        tuple[Path, ...], Option("Run directories of a pilot, or folders that contain them.", "ARGUMENT", "RUNS")
    ] = ()
    system: Annotated[
        str | None,
        Option(
            "System of the pilot. Default: the only one that is no control.", metavar="NAME", panel=SYSTEMS, everyday=True
        ),
    ] = None
    baseline: Annotated[
        str | None,
        Option(
            "System that it is compared with. Default: the pilot's control.", metavar="NAME", panel=SYSTEMS, everyday=True
        ),
    ] = None
    metric: Annotated[
        str | None, Option("Metric of the pilot. Default: its primary metric.", panel=METRICS, everyday=True)
    ] = None
    effect: Annotated[
        float | None,
        Option(
            "True difference of the two systems in the metric, above 0 where the system is better.", panel=AIM, everyday=True
        ),
    ] = None
    margin: Annotated[
        float | None,
        Option(
            "Plan for non-inferiority: largest difference that counts as none. --effect is then 0 by default.",
            panel=AIM,
            everyday=True,
        ),
    ] = None
    goal: Annotated[
        Goal | None, Option("What is to be shown. Default: difference, with --margin noninferior.", panel=AIM, everyday=True)
    ] = None
    power: Annotated[
        float, Option("Probability with which it is to be shown.", panel=AIM, least=0.05, most=0.99, everyday=True)
    ] = 0.8
    tests: Annotated[
        int | None,
        Option(
            "Tests that Holm's correction runs over. Default: the confirmatory family of the pilot, else 4.",
            panel=AIM,
            least=1,
        ),
    ] = None
    class_sd: Annotated[
        float | None, Option("Standard deviation of the difference between classes.", panel=PILOT, least=0, everyday=True)
    ] = None
    clip_sd: Annotated[
        float | None, Option("Standard deviation between clips of a class.", panel=PILOT, least=0, everyday=True)
    ] = None
    seed_sd: Annotated[
        float | None, Option("Standard deviation between seeds of a prompt.", panel=PILOT, least=0, everyday=True)
    ] = None
    classes: Annotated[
        tuple[int, ...],
        Option("Numbers of classes. Default: 20,50,100,200.", metavar="N,N", panel=DESIGNS, parse=counts, everyday=True),
    ] = ()
    per_class: Annotated[
        tuple[int, ...],
        Option("Prompts of each class. Default: 1,2,4,8.", metavar="N,N", panel=DESIGNS, parse=counts, everyday=True),
    ] = ()
    seeds: Annotated[
        tuple[int, ...],
        Option(
            "Seeds of each prompt. Default: 1,2,4 where they matter.",
            metavar="N,N",
            panel=DESIGNS,
            parse=counts,
            everyday=True,
        ),
    ] = ()
    simulations: Annotated[int, Option("Simulated reports of each design.", panel=STATISTICS, least=50, most=100_000)] = 400
    seed: Seed = 0
    output: Annotated[
        Path | None, Option("Folder of plan.html with its figure and tables. Default: no page.", panel=OUTPUT, everyday=True)
    ] = None

    def check(self) -> None:
        if self.effect is None and self.margin is None:
            raise ReaudioError(
                "Nothing to plan for: give --effect, a difference to find, or --margin, a difference to exclude."
            )
        if self.margin is None and self.goal in ("noninferior", "equivalent"):
            raise ReaudioError(f"--goal {self.goal} needs --margin, the largest difference that counts as none.")
        if self.margin is not None and not self.margin > 0:
            raise ReaudioError(
                f"--margin must be more than 0, not {self.margin:g}: it is the largest difference that counts as none."
            )
        if self.shown == "difference" and not self.effect:
            raise ReaudioError(
                "--effect must not be 0: no design finds a difference that is not there. --margin excludes one."
            )
        if self.margin is not None and self.shown == "noninferior" and self.true_effect <= -self.margin:
            raise ReaudioError(
                f"A system that is worse by {-self.true_effect:g} is not non-inferior by --margin {self.margin:g}."
            )
        if self.margin is not None and self.shown == "equivalent" and abs(self.true_effect) >= self.margin:
            raise ReaudioError(
                f"Systems that differ by {abs(self.true_effect):g} are not equivalent by --margin {self.margin:g}."
            )
        if not self.runs and (self.class_sd is None or self.clip_sd is None):
            raise ReaudioError("The spread is unknown: name run directories of a pilot, or give --class-sd and --clip-sd.")
        for option, value in (("--system", self.system), ("--baseline", self.baseline), ("--metric", self.metric)):
            if value is not None and not self.runs:
                raise ReaudioError(f"{option} names something of a pilot: name its run directories too, or leave it out.")

    @property
    def shown(self) -> Goal:
        """What is to be shown."""
        return self.goal or ("difference" if self.margin is None else "noninferior")

    @property
    def true_effect(self) -> float:
        """The effect that is simulated."""
        return self.effect or 0.0
