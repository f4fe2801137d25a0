"""``--margin``: planned, tested, kept in manifests, and what happens where it was not fixed before scoring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from run_folders import write

from reaudio_eval.evaluations.compare import run as compare
from reaudio_eval.evaluations.compare.request import CompareRequest
from reaudio_eval.evaluations.compare.result import CompareResult
from reaudio_eval.evaluations.longtail import rerender
from reaudio_eval.evaluations.longtail import run as longtail
from reaudio_eval.evaluations.longtail.request import LongtailRequest, ReportRequest
from reaudio_eval.evaluations.longtail.result import LongtailResult
from reaudio_eval.reports.margins import margin_sentences
from reaudio_eval.statistics.margins import Margin
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter

pytestmark = pytest.mark.usefixtures("no_figures")

QUIET = Reporter(quiet=True)


def run(world: Path, sounds: Path, **options: Any) -> LongtailResult:
    """Plan and run, without the page."""
    usual = {
        "dataset": "folder", "data_root": sounds, "references": sounds / "reference", "noise": False, "embedders": "bands",
        "checkpoints": {"bands": world / "plugins" / "bands.bin"}, "output": world / "out",
        "clips": {"good": sounds / "good", "poor": sounds / "poor"}, "baseline": "poor", "primary": "kl_bands",
    }  # fmt: skip
    return longtail.run(longtail.plan(LongtailRequest.of(usual | options), QUIET), QUIET)


def messages(found: LongtailResult | CompareResult) -> str:
    return "\n".join(alert.message for alert in found.alerts)


def kept(found: LongtailResult) -> list[Any]:
    return [json.loads((path / "manifest.json").read_bytes()).get("margin") for path in found.runs]


@pytest.mark.slow
def test_a_margin_is_tested_and_kept(world: Path, sounds: Path) -> None:
    first = run(world, sounds, margin=0.05)
    assert first.analysis.margin == Margin(0.05, "kl_bands")
    assert kept(first) == [{"value": 0.05, "metric": "kl_bands"}] * 3
    assert "not fixed before scoring" not in messages(first)
    stated = first.summary()["margin"]
    assert (stated["value"], stated["metric"]) == (0.05, "kl_bands")
    assert {(t["system"], t["control"]) for t in stated["tests"]} == {("good", "poor")}
    assert all(t["noninferior"] == (t["p_noninferior"] < 0.025) for t in stated["tests"])
    (sentence,) = margin_sentences(first.analysis)
    assert first.verdict[-1] == sentence.striptags()
    tested = first.analysis.paired[first.analysis.paired["p_noninferior"].notna()]
    assert set(zip(tested["system_a"], tested["system_b"], strict=True)) == {("good", "poor")}

    again = run(world, sounds, margin=0.05)  # the same margin, of finished runs
    assert "not fixed before scoring" not in messages(again)
    read = rerender.run(rerender.plan(ReportRequest(first.runs, baseline="poor", primary="kl_bands"), QUIET), QUIET)
    assert read.analysis.margin == Margin(0.05, "kl_bands")
    assert margin_sentences(read.analysis) == margin_sentences(first.analysis)
    elsewhere = rerender.run(
        rerender.plan(ReportRequest(first.runs, baseline="poor", primary="clap_score_bands"), QUIET), QUIET
    )
    assert elsewhere.analysis.margin is None  # of another metric

    other = run(world, sounds, margin=0.5)
    warning = (
        "The margin 0.5 was not fixed before scoring: the runs of good and poor were scored with the margin 0.05 of kl_bands. Take "
        "non-inferiority and equivalence as exploratory."
    )
    assert warning in messages(other)
    assert kept(other) == kept(first)
    without = run(world, sounds)
    assert without.analysis.margin is None
    assert margin_sentences(without.analysis) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 0.0}, "--margin must be more than 0"),
        (
            {"margin": 0.1, "baseline": None},
            "--margin compares systems with a control, and there is none: name it with --baseline NAME",
        ),
        ({"margin": 0.1, "primary": None}, "--margin is in the unit of one metric: name it with --primary"),
        (
            {"margin": 2.0, "primary": "clap_score_bands"},
            "--margin 2 is not smaller than the range of CLAP score .Bands., -1 to 1",
        ),
    ],
)
def test_margins_are_checked_before_any_work(world: Path, sounds: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        run(world, sounds, **options)
    assert not (world / "out").exists()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    about = {"margin": {"value": 0.02, "metric": "clap_score"}}
    write(tmp_path, "mine", 0.40, **about)
    write(tmp_path, "base", 0.40, **about)
    write(tmp_path, "real", 0.80, kind="real", **about)
    return tmp_path


def compared(runs: Path, **options: Any) -> CompareResult:
    return compare.run(compare.plan(CompareRequest.of({"runs": (runs,), "baseline": "base"} | options), QUIET), QUIET)


def test_a_comparison_takes_the_margin_of_the_runs(runs: Path) -> None:
    found = compared(runs)
    analysis = found.comparison.analysis
    assert analysis.margin == Margin(0.02, "clap_score")
    assert "not fixed before scoring" not in messages(found)
    rows = found.comparison.strata.dropna(subset=["p_noninferior"])
    assert set(rows["quantity"]) == {"classes", "tail"}  # one unseen class is too few for a test
    (sentence,) = margin_sentences(analysis)
    assert sentence.startswith("With a margin of 0.02 in CLAP score, <b>mine</b> compared with <b>base</b> is ")
    assert found.verdict[-1] == sentence.striptags()
    assert found.summary()["margin"]["value"] == 0.02


def test_a_comparison_with_another_margin_says_that_it_came_later(runs: Path) -> None:
    found = compared(runs, margin=0.1)
    assert found.comparison.analysis.margin == Margin(0.1, "clap_score")
    assert "the runs of base and mine were scored with the margin 0.02 of clap_score" in messages(found)
    assert "real" not in next(m for m in messages(found).splitlines() if "not fixed before" in m)


@pytest.mark.slow
def test_runs_without_a_margin_and_references_as_baseline(tmp_path: Path, runs: Path) -> None:
    write(tmp_path / "later", "late", 0.41)
    found = compared(tmp_path, margin=0.02)
    assert "the run of late was scored without a margin" in messages(found)
    assert compared(tmp_path).comparison.analysis.margin is None  # they differ
    with pytest.raises(ReaudioError, match="real is a reference: name another --baseline"):
        compared(runs, margin=0.02, baseline="real")
