"""Verdict, tables and figures of a sweep on made-up scores, worked by hand where numbers are compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, in_browser

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.sweep.analysis import Sweep, summarise_sweep, sweep_alerts
from reaudio_eval.evaluations.sweep.cells import Settings, parse_over, plan_cells
from reaudio_eval.evaluations.sweep.figures import factor_figure
from reaudio_eval.evaluations.sweep.page import render_sweep, sweep_json
from reaudio_eval.evaluations.sweep.tables import cells_table, factor_table, spread_table
from reaudio_eval.evaluations.sweep.verdict import finding, sentences
from reaudio_eval.frames.scores import SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import MetricInfo, Range, SystemScores
from reaudio_eval.statistics.longtail import analyse

CLAP = MetricInfo("clap_score", "CLAP score", "clip", True, "cosine", "clap", role="text_similarity")
KL = MetricInfo("kl_panns", "KL divergence (PANNs)", "clip", False, "nats", "panns")
START = Settings(3, 12, 5.0, "audio+text", 0, 1)
COUNTS = {f"<c{i:02d}>": 2000 if i < 12 else 20 for i in range(24)}
PROMPTS = tuple(Prompt(f"p{i:02d}", f"sound <i>{i}</i>", (label,)) for i, label in enumerate(COUNTS))
DATASET = Dataset("world", "test", PROMPTS, COUNTS, {})


def build(shifts: dict[str, float], *over: str, noise: float = 0.01, costs: dict[str, float | None] | None = None) -> Sweep:
    """A sweep whose cells lie ``shifts`` above the reference's 0.3 (CLAP score; KL: below 2.0), with a little noise of their own."""
    cells, axes = plan_cells("m", parse_over(over), START, "star")
    scored = []
    for place, cell in enumerate(cells):
        rng = np.random.default_rng(place)
        base = np.linspace(0.2, 0.4, len(PROMPTS)) + shifts.get(cell.name, 0.0) + noise * rng.standard_normal(len(PROMPTS))
        rows = [(p.clip_id, CLAP.name, None, v) for p, v in zip(PROMPTS, base, strict=True)]
        rows += [(p.clip_id, KL.name, None, 2.3 - v) for p, v in zip(PROMPTS, base, strict=True)]
        frame = pd.DataFrame(rows, columns=["clip_id", "metric", "label", "value"]).astype({"label": object})
        sets = pd.DataFrame(columns=SET_VALUES.names)
        scored.append(SystemScores(SystemInfo(cell.name, "generated", len(PROMPTS)), (CLAP, KL), frame, sets))
    analysis = analyse(scored, DATASET, strata_scheme("log10", COUNTS), against="m")
    return summarise_sweep(analysis, cells, axes, "star", costs or dict.fromkeys(c.name for c in cells))


def test_numbers_are_paired_with_the_reference() -> None:
    sweep = build({"m k=0": -0.2}, "k=0,1", noise=0.0)
    rows = sweep.numbers[(sweep.numbers["metric"] == "clap_score") & (sweep.numbers["stratum"] == "all")].set_index("cell")
    assert rows["value"].to_dict() == pytest.approx({"m": 0.3, "m k=0": 0.1, "m k=1": 0.3})
    assert np.isnan(rows.loc["m", "difference"])
    assert rows.loc["m k=0", "difference"] == pytest.approx(-0.2)
    assert rows.loc["m k=1", "difference"] == pytest.approx(0.0)
    assert set(sweep.analysis.paired["system_b"]) == {"m"}
    strata = sweep.curves[(sweep.curves["metric"] == "clap_score") & (sweep.curves["setting"] == "0")].set_index("stratum")
    assert strata.loc["tail", "value"] == pytest.approx(np.linspace(0.2, 0.4, 24)[12:].mean() - 0.2)
    assert list(sweep.curves["setting"].unique()) == ["0", "1", "3"]


def test_the_verdict_names_the_best_and_the_worse() -> None:
    found = sentences(build({"m guidance=3": 0.1, "m guidance=1": -0.22, "m k=1": 0.05}, "guidance=1,3", "k=1"))
    first, rare, losses, *_, reference = map(str, found)
    assert first.startswith("Of 4 settings, <b>guidance=3</b> has the highest CLAP score on average over all classes, 0.400")
    assert ": significantly better than <b>reference</b> (+0.101" in first
    assert rare.startswith("On rare 1-99 classes, <b>guidance=3</b> has the highest, 0.452")
    assert losses.startswith("No significant loss from common 1,000+ to rare 1-99: ")
    settings = "k 3, steps 12, guidance 5, retrieval audio+text, candidates 1, seed 0, captions 1"
    assert reference == f"Reference: {settings}."


def test_the_verdict_says_when_nothing_is_significant() -> None:
    found = sentences(build({"m k=1": 0.01}, "k=0,1", noise=0.1))
    assert str(found[0]).endswith(": not significantly different from <b>reference</b>.")
    assert not any("significantly better" in str(sentence) for sentence in found)
    assert any("would probably not be found" in str(sentence) for sentence in found)


def test_lower_is_better_where_it_is(tmp_path: Path) -> None:
    sweep = build({"m k=1": 0.1}, "k=1")
    sweep = Sweep(**{**vars(sweep), "analysis": _with_primary(sweep, "kl_panns")})
    assert sentences(sweep)[0].startswith(
        "Of 2 settings, <b>k=1</b> has the lowest KL divergence (PANNs) on average over all classes, 1.90"
    )


def _with_primary(sweep: Sweep, name: str) -> Any:

    return replace(sweep.analysis, primary=name)


def test_a_seed_is_never_the_best_setting() -> None:
    sweep = build({"m seed=1": 0.3}, "seed=0,1", "k=1")
    found = sentences(sweep)
    assert not any("seed=1" in sentence for sentence in found)
    assert "Over 2 seeds" in found[-1]
    assert ", not less than the standard error" in found[-1]
    spread = sweep.spread[(sweep.spread["metric"] == "clap_score") & (sweep.spread["stratum"] == "all")].iloc[0]
    values = sweep.numbers[(sweep.numbers["metric"] == "clap_score") & (sweep.numbers["stratum"] == "all")].set_index(
        "cell"
    )["value"]
    assert spread["sd"] == pytest.approx(abs(values["m"] - values["m seed=1"]) / np.sqrt(2))


def test_tables_show_differences_costs_and_bold() -> None:
    sweep = build({"m k=0": -0.22}, "k=0,1", "seed=0,1", costs={"m": 0.5, "m k=0": 2.25, "m k=1": None, "m seed=1": None})
    view = factor_table(sweep, sweep.axes[0], CLAP)
    assert [row.head for row in view.groups[0]] == ["0", "1", "3"]
    assert [row.detail for row in view.groups[0]] == ["", "", "reference"]
    assert [c.title for c in view.columns] == ["k", "all clips", "common 1,000+", "rare 1-99", "seconds per clip"]
    none, one, usual = (row.cells for row in view.groups[0])
    assert none[0].mark == "best"
    assert none[0].detail.startswith("Δ −0.2")
    assert one[0].mark == ""
    assert usual[0].detail == ""
    assert [row.cells[-1].text for row in view.groups[0]] == ["2.25", "–", "0.500"]
    heads = [row.head for row in cells_table(sweep).groups[0]]
    assert heads == ["reference", "k=0", "k=1", "seed=1"]
    assert spread_table(sweep, sweep.axes[0], CLAP) is None
    spread = spread_table(sweep, sweep.axes[1], CLAP)
    assert spread is not None
    assert [row.head for row in spread.groups[0]] == [
        "all clips",
        "common 1,000+ minus rare 1-99",
        "all classes",
        "common 1,000+",
        "rare 1-99",
    ]


def test_figures_mark_the_reference_and_significant_differences() -> None:
    sweep = build({"m k=0": -0.22}, "k=0,1", "seed=0,1")
    chart = factor_figure(sweep, sweep.axes[0], CLAP)
    assert chart is not None
    assert [ax.get_title() for ax in chart.figure.axes] == ["all clips", "common 1,000+", "rare 1-99"]
    first = chart.figure.axes[0]
    points = [line for line in first.lines if line.get_linestyle() == "None"]
    filled, hollow, reference = points
    assert list(filled.get_xdata()) == [0.0]  # k 0
    assert list(hollow.get_xdata()) == pytest.approx([np.log(2)])
    assert (reference.get_marker(), list(reference.get_xdata())) == ("D", pytest.approx([np.log(4)]))
    assert [tick.get_text() for tick in first.get_xticklabels()] == ["0", "1", "3"]
    assert finding(sweep, sweep.axes[0], CLAP).startswith("CLAP score over all clips by retrieved pairs (k), 0: 0.0")
    assert factor_figure(sweep, sweep.axes[1], CLAP) is not None
    assert factor_figure(sweep, sweep.axes[0], MetricInfo("x", "X", "clip", True, "", "x")) is None


def test_axes_and_the_band_of_runs_end_at_the_range_of_the_metric() -> None:
    sweep = build({"m seed=1": 0.1}, "k=0,1", "seed=0,1")
    curves = sweep.curves[(sweep.curves["metric"] == CLAP.name) & (sweep.curves["factor"] == "seed")]
    low, high = float(curves["value"].min()), float(curves["value"].max())
    chart = factor_figure(sweep, sweep.axes[1], replace(CLAP, range=Range(low, high)))
    assert chart is not None
    for ax in chart.figure.axes:
        assert ax.get_ylim() == pytest.approx((low, high))
        spans = [patch.get_extents().transformed(ax.transData.inverted()) for patch in ax.patches]
        assert spans
        assert all(low - 1e-9 <= span.y0 < span.y1 <= high + 1e-9 for span in spans)


def test_alerts_of_settings() -> None:
    sweep = build({}, "k=0,9", "captions=1,2")
    messages = [a.message for a in sweep_alerts(sweep.analysis, sweep.cells, START.sampling)]
    assert any("k = 9 is outside its training" in m for m in messages)
    assert any(m.startswith("CLAP score can favour sounds that a CLAP retrieved") for m in messages)
    assert any("another caption" in m for m in messages)
    steps = build({}, "steps=6")
    assert list(sweep_alerts(steps.analysis, steps.cells, START.sampling)) == []


@pytest.mark.slow
def test_the_page_is_the_same_twice_and_escapes(tmp_path: Path, page_only: None) -> None:
    sweep = build({"m k=0": -0.2}, "k=0,1", "retrieval=audio")
    steps: list[tuple[int, int]] = []
    first = render_sweep(sweep, tmp_path / "a", media="none", progress=lambda done, total, _: steps.append((done, total)))
    second = render_sweep(sweep, tmp_path / "b", media="none")
    page = first.html.read_text(encoding="utf-8")
    assert page == second.html.read_text(encoding="utf-8")
    assert first.json.read_bytes() == second.json.read_bytes()
    assert "<i>" not in page.replace("<i title", "")
    assert "Filled point: significantly different from the reference" in page
    assert steps[-1][0] == steps[-1][1]
    assert sweep_json(sweep)["numbers"][0]["cell"] == "m"


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_one_metric_at_a_time_in_every_factor(tmp_path: Path, page_only: None) -> None:
    page = render_sweep(build({"m k=0": -0.2}, "k=0,1", "retrieval=audio"), tmp_path / "page", media="none").html
    script = """
      const shown = () => [...document.querySelectorAll(".panel")].filter((p) => p.getClientRects().length)
        .map((p) => p.querySelector("summary").textContent + " " + p.closest("section").id);
      const before = shown();
      const select = document.getElementById("metric");
      select.value = "1";
      select.dispatchEvent(new Event("change"));
      return { before, after: shown(), wide: document.documentElement.scrollWidth <= innerWidth };
    """
    for width in (1440, 500):
        found = in_browser(page, script, tmp_path / f"profile{width}", width)
        assert found["before"] == ["CLAP score by-k", "CLAP score by-retrieval"]
        assert found["after"] == ["KL divergence (PANNs) by-k", "KL divergence (PANNs) by-retrieval"]
        assert found["wide"]
