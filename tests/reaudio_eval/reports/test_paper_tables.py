"""Tables for a paper: what stands where, what is bold, and which files are written."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import synthetic_report

from reaudio_eval.clips.system import Role
from reaudio_eval.evaluations.longtail.files import paper_views
from reaudio_eval.reports.paper_tables import paper_files, paper_latex
from reaudio_eval.reports.set_tables import FLOOR
from reaudio_eval.reports.shared_tables import main_table
from reaudio_eval.reports.strata_tables import strata_table
from reaudio_eval.reports.views import Cell, Column, Numbers, Row, TableView
from reaudio_eval.statistics.analysis import LongtailAnalysis

ONE_ULP = 2.3e-16  # pandas before 3 reads a decimal to the nearest but one float
ROLES: dict[str, Role] = {"AudioLCM": "copy", "Make-An-Audio": "oracle", "Tango": "control"}
REFERENCES = {"AudioLCM", "Make-An-Audio", "real audio", "noise"}


@pytest.fixture(scope="module")
def analysis() -> LongtailAnalysis:
    """Seven systems, of which one is a copy and one an oracle, real audio and noise; every pair differs significantly."""
    found = synthetic_report.build()
    systems = tuple(replace(s, role=ROLES.get(s.name, s.role)) for s in found.systems)
    rows_of = pd.concat([found.overall.assign(stratum="all"), found.by_stratum]).set_index(["system", "metric", "stratum"])
    paired = found.paired[found.paired["quantity"].isin({"all", "head", "tail"})].assign(p_holm=0.001)
    paired["difference"] = [
        rows_of.loc[(r.system_a, r.metric, r.quantity), "value"] - rows_of.loc[(r.system_b, r.metric, r.quantity), "value"]
        for r in paired.itertuples()
    ]
    return replace(found, systems=systems, paired=paired)


def rows(latex: str) -> list[list[str]]:
    """The lines of values of each part between rules, the head first."""
    parts = latex[latex.index(r"\toprule") : latex.index(r"\bottomrule")].replace(r"\toprule", "").split(r"\midrule")
    return [[line for line in part.splitlines() if line.strip() and not line.startswith(" &")] for part in parts]


def test_strata_are_columns_from_common_to_rare_with_unseen_last(analysis: LongtailAnalysis) -> None:
    view = strata_table(analysis, analysis.metrics[1])
    assert view is not None
    titles = [c.title for c in view.columns]
    assert titles == ["system", "all classes", "common 1,000+", "medium 100-999", "rare 1-99", "unseen"]
    frame = analysis.by_stratum[analysis.by_stratum["metric"] == analysis.metrics[1].name].set_index(["system", "stratum"])
    for row in (row for group in view.groups for row in group):
        numbers = [cell.numbers.value for cell in row.cells[1:] if cell.numbers is not None]
        assert numbers == [frame.loc[(row.head, s.name), "value"] for s in analysis.strata]
    macro = analysis.trend[(analysis.trend["metric"] == analysis.metrics[1].name) & (analysis.trend["statistic"] == "macro")]
    assert [row.cells[0].numbers.value for row in view.groups[0] if row.cells[0].numbers] == pytest.approx(
        macro["value"].iloc[: len(view.groups[0])]
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["main.tex", "strata-clap_score.tex", "strata-clap_score-intervals.tex"])
def test_references_stand_below_the_rule_and_are_never_bold(analysis: LongtailAnalysis, name: str) -> None:
    table = paper_files(paper_views(analysis), analysis)[name].decode()
    _, compared, references = rows(table)
    assert {line.split(" & ")[0] for line in references} == REFERENCES
    assert r"\textbf" not in "".join(references)
    assert r"\approx" not in "".join(references)
    assert any(r"\textbf" in line for line in compared)
    assert len(compared) == 5


def test_intervals_are_a_second_file(analysis: LongtailAnalysis) -> None:
    files = paper_files(paper_views(analysis), analysis)
    assert "[" not in files["main.tex"].decode().split(r"\toprule")[1]
    assert r"{\scriptsize [" in files["main-intervals.tex"].decode()
    assert "95\\% intervals in brackets." in files["main-intervals.tex"].decode()
    assert "intervals" not in files["main.tex"].decode()
    assert {"floor.tex", "floor.csv"} <= set(files)
    assert "floor-intervals.tex" not in files  # the floor has none


def test_csv_holds_the_numbers_in_full(analysis: LongtailAnalysis) -> None:
    files = paper_files([main_table(analysis)], analysis)
    values = pd.read_csv(io.BytesIO(files["main.csv"]), index_col="system")
    ends = pd.read_csv(io.BytesIO(files["main-intervals.csv"]), index_col="system")
    for metric in analysis.metrics:
        rows_of = analysis.overall[analysis.overall["metric"] == metric.name].set_index("system")
        title = next(c for c in values.columns if c.startswith(metric.title))
        np.testing.assert_allclose(values[title], rows_of.loc[values.index, "value"], rtol=ONE_ULP)
        for column, end in (("ci_low", "low"), ("ci_high", "high")):
            np.testing.assert_allclose(ends[f"{title} {end}"], rows_of.loc[ends.index, column], rtol=ONE_ULP)


def test_a_table_without_a_number_has_no_file(analysis: LongtailAnalysis) -> None:
    empty = TableView(
        "empty", "", (Column("system"), Column("FD")), ((Row("a", (Cell("–", note=1),)), Row("b", (Cell(""),))),)
    )
    assert paper_files([None, empty], analysis) == {}


def test_distances_by_strata_stand_above_the_floor_of_the_same_n(analysis: LongtailAnalysis) -> None:
    fad = next(m for m in analysis.metrics if m.name == "fad_vggish")
    view = strata_table(analysis, fad)
    assert view is not None
    assert [c.detail for c in view.columns[1:]] == ["24 clips", "20 clips", "16 clips", "8 clips", ""]
    last = view.groups[-1][-1]
    assert last.head == FLOOR
    assert [cell.text for cell in last.cells] == ["1.31", "2.00", "3.00", "4.00", ""]
    overall = analysis.overall[analysis.overall["metric"] == fad.name].set_index("system")
    first = view.groups[0][0]
    assert first.cells[0].numbers == pytest.approx((overall.loc[first.head, "matched"], np.nan, np.nan), nan_ok=True)
    assert "real audio" not in [row.head for group in view.groups for row in group]
    assert not any(cell.mark for cell in last.cells)


def test_empty_columns_are_left_out() -> None:
    view = TableView(
        "main", "", (Column("system"), Column("KL divergence (a (b))", "nats", "↓"), Column("FD-inf (c)", "", "↓")),
        (
            (Row("a_1", (Cell("1.20", "[1.0,\N{NO-BREAK SPACE}1.4]", mark="best"), Cell("–", note=1))),),
            (Row("real", (Cell("–", note=2), Cell(""))),),
        ),
        ("only FD-inf", "only KL"),
        ("not for a paper",),
        ("KL is in nats.",),
    )  # fmt: skip
    text = paper_latex(view, "50% of A & B.")
    assert "FD-inf" not in text
    assert "% only KL" in text
    assert r"\caption{50\% of A \& B. KL is in nats. 95\% intervals in brackets. Bold:" in text
    assert "not for a paper" not in text
    assert r"a\_1 & \textbf{1.20} \\" in text
    assert r" & {\scriptsize [1.0,~1.4]} \\" in text
    assert r" & KL $\downarrow$ \\" in text
    assert r" & {\scriptsize a (b)} \\" in text
    assert text.count(r"\midrule") == 2
    assert "resizebox" not in text
    assert r"\scriptsize [" not in paper_latex(view, "", intervals=False)


def test_bold_says_what_it_means() -> None:
    cells = (Cell("1.2", mark="best", numbers=Numbers(1.2, 1.0, 1.4)),)
    view = TableView("t", "", (Column("setting"), Column("KL")), ((Row("a", cells),),), bold="Bold: p < 0.05.")
    assert r"Bold: p \textless{} 0.05." in paper_latex(view, "")
    assert "significantly better" not in paper_latex(view, "")


def test_a_wide_table_is_scaled(analysis: LongtailAnalysis) -> None:
    view = main_table(analysis)
    wide = replace(
        view,
        columns=(view.columns[0], *view.columns[1:] * 2),
        groups=tuple(tuple(replace(r, cells=r.cells * 2) for r in g) for g in view.groups),
    )
    text = paper_latex(wide, "x")
    assert r"\resizebox{\textwidth}{!}{%" in text
    assert r"\end{table*}" in text
    assert text.count("{") == text.count("}")
