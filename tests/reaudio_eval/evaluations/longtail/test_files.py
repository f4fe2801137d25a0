"""CSV, LaTeX and JSON exports."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_report
from hypothesis import given
from hypothesis import strategies as st

from reaudio_eval.evaluations.longtail import tables
from reaudio_eval.evaluations.longtail.files import write_tables
from reaudio_eval.reports import shared_tables
from reaudio_eval.reports.files import csv_bytes, escape_latex, file_stem, latex
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
    assert len(body) == 1 + 9 + 1  # head, nine systems, floor
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
        shared_tables.strata_table(analysis, metric), shared_tables.normalised_table(analysis, metric),
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
    view = shared_tables.strata_table(analysis, analysis.metrics[0])
    zero_shot = [row.cells[-1] for row in view.groups[0]]
    assert all(cell.css == "thin" for cell in zero_shot)


def test_file_names(analysis: LongtailAnalysis, tmp_path: Path) -> None:
    paths = write_tables(analysis, tmp_path)
    assert all(p.is_file() for p in paths)
    assert {p.name for p in paths} >= {"overall.csv", "per_class.csv", "paired.csv", "main.tex", "strata-clap_score.tex"}
    assert file_stem("paired-m-10,100/../x y") == "paired-m-10-100-..-x-y"
