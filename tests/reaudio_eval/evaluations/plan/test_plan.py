"""``reaudio-eval plan``: from a pilot or given spreads, its table, JSON and sentences, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from run_folders import make_dataset, make_scores, write
from typer.testing import CliRunner

import reaudio_eval
from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.plan import run as steps
from reaudio_eval.evaluations.plan.request import PlanRequest, counts
from reaudio_eval.evaluations.plan.result import PlanResult
from reaudio_eval.evaluations.plan.tables import needed_view
from reaudio_eval.frames.evaluations import PLAN_FRAMES
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import Range
from reaudio_eval.statistics.pilot import pilot_spread
from reaudio_eval.statistics.power import Spread
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter

runner = CliRunner()
QUIET = Reporter(quiet=True)
SMALL = {"classes": "20,50", "per_class": "4", "simulations": 50}
GIVEN = {"effect": 0.1, "class_sd": 0.1, "clip_sd": 0.3}


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mine, its control base, real audio; one clip of each prompt."""
    root = tmp_path_factory.mktemp("pilot")
    write(root, "mine", 0.45)
    write(root, "base", 0.40)
    write(root, "real", 0.80, kind="real")
    return root


def plan(**options: Any) -> PlanResult:
    return reaudio_eval.plan(**(SMALL | options))


def test_given_spreads() -> None:
    found = plan(**GIVEN, seed_sd=0.2, seeds="1,3")
    assert found.pilot is None
    assert found.simulation.spread == Spread(0.1, 0.3, 0.2)
    assert found.simulation.question.n_tests == 4
    for name, frame in found.tables.items():
        PLAN_FRAMES[name].check(frame)
    power = found.tables["power"]
    assert power[["classes", "per_class", "seeds"]].to_numpy().tolist() == [[20, 4, 1], [50, 4, 1], [20, 4, 3], [50, 4, 3]]
    assert power["n_clips"].tolist() == [80, 200, 240, 600]
    assert power["power"].between(power["power_low"], power["power_high"]).all()
    needed = found.tables["needed"]
    assert needed["classes"].iloc[1] < needed["classes"].iloc[0]
    # class_sd**2 over the variance of a class mean
    assert needed["share_classes"].tolist() == pytest.approx(
        [0.01 / (0.01 + (0.09 + 0.04 / n) / 4) for n in (1, 3)], abs=1e-12
    )
    assert found.tables["spread"]["known_by"].tolist() == ["given"] * 3
    assert found.alerts == []
    assert found.verdict[0].startswith("A true difference of 0.1 is shown with power 0.8 by ")
    assert found.verdict[-1].startswith("At least about ")


def test_the_smallest_design_is_the_one_with_the_fewest_clips() -> None:
    found = plan(**GIVEN, per_class="1,8", seed_sd=0.0)
    needed = found.tables["needed"]
    best = needed.loc[needed["n_clips"].idxmin()]
    assert f"by {best['classes']} classes with {best['per_class']} prompt" in found.verdict[0]


def test_a_pilot_gives_spread_tests_and_classes(pilot: Path) -> None:
    found = reaudio_eval.plan((pilot,), effect=0.05, baseline="base", **SMALL)
    dataset = make_dataset()
    strata = strata_scheme("log10", dataset.train_counts)
    mine, base = (make_scores(dataset, strata, name, level) for name, level in (("mine", 0.45), ("base", 0.40)))
    assert found.pilot is not None
    assert found.pilot.metric.name == "clap_score"
    expected = pilot_spread(mine, base, found.pilot.metric, dataset, strata)
    assert found.pilot.found.spread == expected.spread == found.simulation.spread
    assert found.simulation.question.n_tests == 3  # all classes, the rarest stratum, the gap; one unseen class has no test
    assert found.tables["spread"]["known_by"].tolist() == ["pilot", "pilot", "unknown"]
    assert np.isnan(found.tables["spread"]["sd"].iloc[2])
    assert any("one clip of each prompt" in alert.message for alert in found.alerts)
    assert found.verdict[0].startswith("Pilot: mine - base, CLAP score, over 16 classes and 96 clips: 0.0517 [")


def test_the_classes_of_the_pilot_are_among_the_usual_designs(pilot: Path) -> None:
    request = PlanRequest.of({"runs": (pilot,), "effect": 0.05, "baseline": "base"})
    found = steps.plan(request, QUIET)
    assert (found.classes, found.per_class, found.seeds) == ((16, 20, 50, 100, 200), (1, 2, 4, 8), (1,))
    assert len(found.designs) == 20
    assert found.to_json()["n_tests"] == 3
    result = reaudio_eval.plan(request, per_class="4", classes="16", simulations=50)
    assert any(sentence.startswith("The 16 classes of the pilot reach ") for sentence in result.verdict)


def test_given_values_win_over_the_pilot(pilot: Path) -> None:
    found = steps.plan(
        PlanRequest.of({"runs": pilot, "effect": 0.05, "baseline": "base", "class_sd": 0.3, "seed_sd": 0.01, "tests": 9}),
        QUIET,
    )
    assert found.simulation.spread.classes == 0.3
    assert found.simulation.spread.seeds == 0.01
    assert found.seeds == (1, 2, 4)
    assert found.simulation.question.n_tests == 9


def test_margins(pilot: Path) -> None:
    found = steps.plan(PlanRequest.of({"runs": pilot, "margin": 0.05, "baseline": "base"}), QUIET)
    question = found.simulation.question
    assert (question.goal, question.effect, question.margin, question.n_tests) == ("noninferior", 0.0, 0.05, 2)
    equivalent = plan(margin=0.15, goal="equivalent", class_sd=0.1, clip_sd=0.3)
    assert equivalent.simulation.question.n_tests == 3
    assert equivalent.verdict[0].startswith(
        "Equivalence with the margin 0.15 at a true difference of 0 is shown with power 0.8 by "
    )


def test_a_margin_as_large_as_the_range_is_refused(tmp_path: Path) -> None:
    dataset = make_dataset()
    strata = strata_scheme("log10", dataset.train_counts)
    for name in ("mine", "base"):
        scores = make_scores(dataset, strata, name, 0.4)
        bounded = tuple(replace(m, range=Range(-1.0, 1.0)) for m in scores.metrics)
        write(tmp_path, name, 0.4, scores=replace(scores, metrics=bounded))
    with pytest.raises(ReaudioError, match="--margin 2 is not smaller than the range of CLAP score, -1 to 1"):
        plan(runs=tmp_path, margin=2.0, baseline="base")


def test_command_and_json(pilot: Path) -> None:
    words = [
        "plan",
        str(pilot),
        "--effect",
        "0.05",
        "--baseline",
        "base",
        "--classes",
        "16,50",
        "--per-class",
        "2",
        "--quiet",
    ]
    result = runner.invoke(
        app, [*words, "--simulations", "50"], env={"COLUMNS": "120"}
    )  # one line for each row of the table
    assert result.exit_code == 0, result.output
    assert "2 prompts a class, 1 seed" in result.stdout
    assert "classes for power 0.8" in result.stdout
    found = json.loads(runner.invoke(app, [*words, "--simulations", "50", "--json"]).stdout)
    assert found["goal"] == "difference"
    assert found["pilot"]["system"] == "mine"
    assert [row["classes"] for row in found["power"]] == [16, 50]
    assert found["spread"]["seed_sd"] == 0.0
    assert found["needed"][0]["reason"] is None
    dry = json.loads(runner.invoke(app, [*words, "--dry-run"]).stdout)
    assert dry["classes"] == [16, 50]
    help_text = " ".join(runner.invoke(app, ["plan", "--help"]).stdout.split())
    assert "reaudio-eval plan reports/longtail --effect 0.05" in help_text


@pytest.mark.parametrize("given", ["4,1,2,2", ["1,2", "4"], (1, 2, 4), [4, 2, 1]])
def test_several_numbers(given: Any) -> None:
    assert counts(given) == (1, 2, 4)


@pytest.mark.parametrize("given", ["0", "1,x", "-3", "1.5", ",", list(range(1, 40))])
def test_numbers_without_sense_are_refused(given: Any) -> None:
    with pytest.raises(ReaudioError, match=r"whole number from 1|at most 20"):
        counts(given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_sd": 0.1, "clip_sd": 0.3}, "Nothing to plan for: give --effect, a difference to find, or --margin"),
        (GIVEN | {"effect": 0.0}, "--effect must not be 0"),
        (GIVEN | {"margin": 0.0}, "--margin must be more than 0"),
        (GIVEN | {"goal": "equivalent"}, "--goal equivalent needs --margin"),
        (GIVEN | {"effect": -0.1, "margin": 0.1}, "A system that is worse by 0.1 is not non-inferior by --margin 0.1"),
        (GIVEN | {"margin": 0.1, "goal": "equivalent"}, "Systems that differ by 0.1 are not equivalent by --margin 0.1"),
        ({"effect": 0.1, "class_sd": 0.1}, "The spread is unknown: name run directories of a pilot, or give --class-sd and"),
        (GIVEN | {"baseline": "base"}, "--baseline names something of a pilot"),
        (GIVEN | {"class_sd": -0.1}, "--class-sd must be 0 or more, not -0.1"),
        (GIVEN | {"class_sd": 0.0, "clip_sd": 0.0}, "Every standard deviation is 0"),
        (
            GIVEN | {"classes": "2000"},
            "2,000 classes with 4 prompts each are too many to simulate: at most 1,000 classes and 5,000",
        ),
        (GIVEN | {"power": 1.0}, "--power must be 0.05 to 0.99, not 1"),
    ],
)
def test_plans_without_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        plan(**options)


def test_pilots_that_name_no_pair_are_refused(tmp_path: Path, pilot: Path) -> None:
    for name, level in (("mine", 0.4), ("yours", 0.5), ("theirs", 0.6)):
        write(tmp_path, name, level)
    with pytest.raises(
        ReaudioError, match=r"No system of the pilot is a control: name the one to compare with by --baseline"
    ):
        plan(runs=tmp_path, effect=0.1)
    with pytest.raises(
        ReaudioError, match=r"The pilot has several systems: name the one to plan for by --system .mine, theirs."
    ):
        plan(runs=tmp_path, effect=0.1, baseline="yours")
    with pytest.raises(ReaudioError, match=r"KAD .PANNs. has one value for all clips"):
        plan(runs=pilot, effect=0.1, baseline="base", metric="kad_panns")
    with pytest.raises(ReaudioError, match="Unknown system 'his'"):
        plan(runs=pilot, effect=0.1, baseline="base", system="his")


@pytest.mark.slow
def test_page(pilot: Path, tmp_path: Path) -> None:
    found = reaudio_eval.plan(
        (pilot,), effect=0.05, baseline="base", seed_sd=0.02, seeds="1,2", output=tmp_path / "page", **SMALL
    )
    assert found.report is not None
    page = found.report.html.read_text(encoding="utf-8")
    assert page.count("<figure") + page.count("<svg") > 0
    for text in (*found.verdict, "mine - base", "2 clips of each prompt", "between classes"):
        assert str(escape(text)) in page
    assert sorted(p.name for p in found.report.tables) == ["needed.csv", "power.csv", "spread.csv"]
    stored = json.loads(found.report.json.read_text(encoding="utf-8"))
    assert stored["verdict"] == list(found.verdict)
    assert stored["n_tests"] == 3
    names = {path.name for path in found.report.figures}
    assert names == {"power.svg", "power.pdf", "power.png"}
    assert plan(**GIVEN).report is None


@pytest.mark.slow
def test_a_design_beyond_the_limit_has_its_reason_on_the_page() -> None:
    found = plan(**(GIVEN | {"effect": 0.001}))
    assert found.verdict[0].startswith("No design that is simulated shows a true difference of 0.001 with power 0.8")
    assert found.verdict[-1].startswith("More than 1,000 classes are needed")
    (reason,) = found.tables["needed"]["reason"]
    assert reason == "more than 1,000 classes, the most that are simulated"
    view = needed_view(found)
    assert view.footnotes == (reason,)
    assert "more" in found.table_text()
