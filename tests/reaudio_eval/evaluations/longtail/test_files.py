"""CSV, LaTeX and JSON exports."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_report
from analysis_worlds import CLAP, TINY, TINY_STRATA, analyse, system
from hypothesis import given
from hypothesis import strategies as st
from pages import render

from reaudio_eval.evaluations.longtail import tables
from reaudio_eval.evaluations.longtail.files import write_tables
from reaudio_eval.reports import shared_tables
from reaudio_eval.reports.files import csv_bytes, escape_latex, file_stem, latex
from reaudio_eval.reports.strata_tables import normalised_table, strata_table
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis

ONE_ULP = 2.3e-16  # pandas before 3 reads a decimal to the nearest but one float


@pytest.mark.parametrize("name", synthetic_report.FRAMES)
def test_csv_keeps_every_digit(analysis: LongtailAnalysis, name: str) -> None:
    frame = getattr(analysis, name)
    back = pd.read_csv(io.BytesIO(csv_bytes(frame)))
    assert list(back.columns) == list(frame.columns)
    for column in frame.select_dtypes("number"):
        np.testing.assert_allclose(back[column].to_numpy(float), frame[column].astype("float64").to_numpy(), rtol=ONE_ULP)


@given(st.text())
def test_latex_has_no_live_characters(text: str) -> None:
    escaped = escape_latex(text)
    bare = re.sub(
        r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar)\{\}|\\[&%$#_{}]", "", escaped
    )
    bare = re.sub(r"\$(\\\w+|-)\$|(?<!\\)~|--", "", bare)
    assert not re.search(r"[\\&%$#_{}^]", bare)


def test_latex_table(analysis: LongtailAnalysis) -> None:
    text = latex(shared_tables.main_table(analysis))
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(body) == 1 + 9  # head, nine systems
    assert {line.count(" & ") for line in body} == {6}
    assert r"$\uparrow$" in text
    assert "% 1: " in text


def test_long_tables_run_over_pages(analysis: LongtailAnalysis) -> None:
    view = shared_tables.class_table(analysis, analysis.metrics[0], {})
    assert view is not None
    text = latex(view)
    assert r"\begin{longtable}" in text
    assert r"\endhead" in text


def test_bold_only_where_a_test_says_so(analysis: LongtailAnalysis) -> None:
    nothing = replace(analysis, paired=analysis.paired.assign(p_holm=1.0))
    assert r"\textbf" not in latex(shared_tables.main_table(nothing))
    values = analysis.overall.set_index(["system", "metric"])["value"]
    paired = analysis.paired.assign(p_holm=0.001)
    paired["difference"] = [values[r.system_a, r.metric] - values[r.system_b, r.metric] for r in paired.itertuples()]
    clear = latex(shared_tables.main_table(replace(analysis, paired=paired)))
    assert clear.count(r"\textbf") == 3  # one leader for each metric that has paired tests


def test_every_view_has_cells_for_its_columns(analysis: LongtailAnalysis) -> None:
    metric = analysis.metrics[0]
    views = [
        shared_tables.main_table(analysis), shared_tables.sizes_table(analysis), shared_tables.metrics_table(analysis),
        strata_table(analysis, metric), normalised_table(analysis, metric),
        shared_tables.bins_table(analysis, metric), shared_tables.class_table(analysis, metric, {}),
        tables.trend_table(analysis, metric), tables.summary_table(analysis, metric),
        *tables.paired_tables(analysis, metric),
    ]  # fmt: skip
    for view in views:
        assert view is not None
        assert view.n_rows
        assert {len(row.cells) for group in view.groups for row in group} == {len(view.columns) - 1}
        notes = [c.note for group in view.groups for row in group for c in row.cells if c.note]
        assert set(notes) == set(range(1, len(view.footnotes) + 1))


def test_thin_strata_are_grey(analysis: LongtailAnalysis) -> None:
    view = strata_table(analysis, analysis.metrics[0])
    zero_shot = [row.cells[-1] for row in view.groups[0]]
    assert all(cell.css == "thin" for cell in zero_shot)


def test_file_names(analysis: LongtailAnalysis, tmp_path: Path) -> None:
    paths = write_tables(analysis, tmp_path)
    assert all(p.is_file() for p in paths)
    assert {p.name for p in paths} >= {
        "overall.csv", "per_class.csv", "paired.csv", "main.tex", "main.csv", "floor.tex", "strata-clap_score.tex", "strata-clap_score.csv",
    }  # fmt: skip
    assert file_stem("paired-m-10,100/../x y") == "paired-m-10-100-..-x-y"


def test_no_file_without_a_number(analysis: LongtailAnalysis, tmp_path: Path) -> None:
    undefined = analysis.paired.assign(difference=np.nan, ci_low=np.nan, ci_high=np.nan, p_value=np.nan, p_holm=np.nan)
    none = {"trend": analysis.trend.assign(value=np.nan), "paired": undefined, "bins": analysis.bins.iloc[:0]}
    names = {path.name for path in write_tables(replace(analysis, **none), tmp_path)}
    assert not any(name.startswith(("paired", "trend", "bins", "gap", "copying", "leak")) for name in names)
    assert {"overall.csv", "main.tex"} <= names


@pytest.mark.slow
def test_inception_score_has_no_strata_anywhere(tmp_path: Path) -> None:
    score = MetricInfo("is_panns", "Inception score (PANNs)", "set", True, "", "panns", role="diversity")
    values = {"metric": score.name, "stratum": "all", "value": 3.0, "ci_low": 2.5, "ci_high": 3.5}
    scored = system("A", {CLAP: {"c1": 0.6, "c2": 0.4, "c3": 0.1}}, sets=[values], more=[score])
    other = system("B", {CLAP: {"c1": 0.5}}, undefined={score.name: "a clip has no logits"}, more=[score])
    found = analyse([scored, other], TINY, TINY_STRATA)
    assert score in found.metrics
    assert set(found.by_stratum["metric"]) == {CLAP.name}
    assert strata_table(found, score) is None
    report, page = render(found, tmp_path)
    names = {path.name for path in report.tables}
    assert "strata-clap_score.tex" in names
    assert not any(name.startswith("strata-is") for name in names)
    assert "is_panns" not in (tmp_path / "tables" / "by_stratum.csv").read_text()
    assert "Inception score (PANNs) is computed over all clips only" in page.text
    assert "Inception score (PANNs) ↑ by stratum" not in page.text
    assert json.loads(report.json.read_text())["by_stratum"][0]["metric"] == CLAP.name
