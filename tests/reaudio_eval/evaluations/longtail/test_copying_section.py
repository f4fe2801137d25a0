"""The section on leakage and copying and the retrieved clips beside prompts: words, tables, figure, players, hostile captions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_report
from pages import HOSTILE, render

from reaudio_eval.clips.system import Retrieval
from reaudio_eval.evaluations.longtail.sections.copying import most_copied
from reaudio_eval.frames.statistics import COPYING_FRAMES
from reaudio_eval.reports.copying_figures import copying_figure
from reaudio_eval.reports.copying_tables import copy_table, copying_metrics, leak_sentences, leak_tables
from reaudio_eval.reports.files import latex
from reaudio_eval.reports.listen import PLAYED, retrieved_for, select
from reaudio_eval.reports.shared_tables import main_table, metrics_table
from reaudio_eval.reports.text import listing
from reaudio_eval.reports.views import arrow
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import CopyingAnalysis, LongtailAnalysis
from reaudio_eval.statistics.separation import overall_separation
from reaudio_model.retrieval.records import Neighbour, Pair

COPYING = MetricInfo("copying_net", "Copying (Net)", "clip", False, "cosine", "net", target=0.0, role="copying")
ASKED = {"pool": "train", "key": "mean", "exclude": {"self_": True, "same_source": True, "identical_caption": False}}
pytestmark = pytest.mark.usefixtures("without_figures")


def neighbours(folder: Path | None, k: int, ids: list[str]) -> dict[str, tuple[Neighbour, ...]]:
    """The same k clips for every prompt."""
    clips = {} if folder is None else synthetic_report.write_clips(folder, [f"n{i}" for i in range(k)], 9, 0.3)
    own = tuple(Neighbour(Pair(f"n{i}", f"neighbour {i}", clips.get(f"n{i}"), f"s{i}"), i, 0.9 - i / 100) for i in range(k))
    return dict.fromkeys(ids, own)


def with_retrieval(analysis: LongtailAnalysis, folder: Path | None, *, k: int = 2, leaked: int = 1) -> LongtailAnalysis:
    """The first system retrieves with the network behind the first metric; its clips are as near as made-up numbers say."""
    first, *others = analysis.systems
    ids = [p.clip_id for p in analysis.prompts]
    real = np.linspace(0.6, 0.9, len(ids))
    copies, summary = [], []
    for s, offset in zip(analysis.systems, (0.08, -0.1, 0.0, -0.4), strict=True):
        similarity = real + offset
        copies.append(
            pd.DataFrame(
                {
                    "system": s.name,
                    "clip_id": ids,
                    "embedder": "net",
                    "neighbour_id": "n0",
                    "similarity": similarity,
                    "real_similarity": real,
                    "excess": offset,
                }
            )
        )
        for quantity, value in (
            ("similarity", similarity.mean()),
            ("real_similarity", real.mean()),
            ("excess", offset),
            ("near_copies", 0.25),
            ("limit", 0.89),
        ):
            ends = (np.nan, np.nan) if quantity == "limit" else (value - 0.05, value + 0.05)
            summary.append((s.name, "net", quantity, value, *ends, "clips as a sample", len(ids), None))
    kinds = {"target": 0, "same_source": 0, "identical_caption": leaked, "any": leaked}
    scores = [("clap_score", g, first.name, minus, 0.3, 0.2, 0.4, "clips as a sample", 3, None)
              for minus in ("", others[0].name) for g in ("affected", "clean")]  # fmt: skip
    found = CopyingAnalysis(
        retrieved=pd.DataFrame(columns=COPYING_FRAMES["retrieved"].names),
        leaks=pd.DataFrame(
            [(first.name, kind, n, len(ids), n / len(ids)) for kind, n in kinds.items()],
            columns=COPYING_FRAMES["leaks"].names,
        ),
        leak_scores=pd.DataFrame(scores if leaked else [], columns=COPYING_FRAMES["leak_scores"].names),
        copies=pd.concat(copies, ignore_index=True),
        summary=pd.DataFrame(summary, columns=COPYING_FRAMES["summary"].names),
        neighbours_of={s.name: first.name for s in analysis.systems},
    )
    retrieval = Retrieval(neighbours(folder, k, ids), "sha", ASKED, (analysis.metrics[0].embedder,))
    return replace(
        analysis, metrics=(*analysis.metrics, COPYING), systems=(replace(first, retrieval=retrieval), *others), copying=found
    )


@pytest.fixture
def copied(small: LongtailAnalysis, tmp_path: Path) -> LongtailAnalysis:
    return with_retrieval(small, tmp_path / "pool")


def test_sentences_of_leaks_and_of_none(copied: LongtailAnalysis, small: LongtailAnalysis) -> None:
    leaks = leak_sentences(copied)
    assert leaks[0] == (
        "The nearest 2 neighbours of Re-AudioLDM contained the target clip, its recording or its caption for 1 prompt of 6 (16.7%)."
    )
    assert "does not name the recordings of its clips" in leaks[1]
    clean = with_retrieval(small, None, leaked=0)
    clean = replace(clean, prompts=tuple(replace(p, source_id="v") for p in clean.prompts))
    (only,) = leak_sentences(clean)
    assert only.startswith("No leakage for Re-AudioLDM: no prompt has its target clip")
    assert leak_sentences(small) == ["No system of this report declares retrieval, so leakage and copying do not apply."]
    assert len(leak_tables(clean)) == 1
    assert leak_tables(small) == copying_metrics(small) == []


def test_tables_name_the_rule_the_control_and_the_limit(copied: LongtailAnalysis) -> None:
    leaks, scores = leak_tables(copied)
    (row,) = leaks.groups[0]
    assert row.detail == "pool train, key mean, excluded: self and same source"
    assert [c.text for c in row.cells] == ["2", "0", "0", "1", "1"]
    assert [r.head for group in scores.groups for r in group] == [
        "Re-AudioLDM",
        "Re-AudioLDM",
        "minus AudioGen",
        "minus AudioGen",
    ]
    view = copy_table(copied, COPYING)
    first, second = view.groups[0]
    assert [c.text for c in first.cells] == ["0.830", "0.750", "0.080", "25.0%"]
    assert first.cells[3].detail == "above 0.890"
    assert (first.detail, second.detail) == ("", "compared with clips retrieved by Re-AudioLDM")
    assert view.columns[3].arrow == arrow(COPYING) == "→\N{NO-BREAK SPACE}0"
    assert r"$\to$" in latex(view)


def test_a_system_without_a_value_says_why(copied: LongtailAnalysis) -> None:
    gone = {name: getattr(copied.copying, name).query("system != 'AudioGen'") for name in ("copies", "summary")}
    reason = "not among its bundled scores"
    row = copied.overall.iloc[[0]].assign(system="AudioGen", metric="copying_net", value=np.nan, reason=reason)
    less = replace(
        copied, copying=replace(copied.copying, **gone), overall=pd.concat([copied.overall, row], ignore_index=True)
    )
    view = copy_table(less, COPYING)
    assert {(c.text, c.reason) for c in view.groups[0][1].cells} == {("–", reason)}
    chart = copying_figure(less, "net")
    assert chart is not None
    assert [ax.get_title() for ax in chart.figure.axes if ax.get_visible()] == ["Re-AudioLDM"]


def test_a_metric_with_a_target_has_no_best(copied: LongtailAnalysis) -> None:
    assert overall_separation(copied, COPYING).leader is None
    row = next(r for r in metrics_table(copied).groups[0] if r.head == "Copying (Net)")
    assert row.cells[2].text == "near 0"


def test_a_scoring_model_that_retrieves_is_marked_at_the_table(copied: LongtailAnalysis, small: LongtailAnalysis) -> None:
    view = main_table(copied)
    marked = [c.title for c in view.columns if "†" in c.detail]
    assert marked == ["CLAP score"]
    assert any(r.startswith("† The scoring model is the retrieval model") for r in view.remarks)
    assert not any("†" in text for text in (*main_table(small).remarks, *(c.detail for c in main_table(small).columns)))


def test_a_panel_for_each_generated_system(copied: LongtailAnalysis, small: LongtailAnalysis) -> None:
    chart = copying_figure(copied, "net")
    assert chart is not None
    assert [ax.get_title() for ax in chart.figure.axes if ax.get_visible()] == ["Re-AudioLDM", "AudioGen"]
    assert copying_figure(replace(copied, systems=copied.systems[2:]), "net") is None
    assert copying_figure(copied, "other") is None


def test_the_nearest_clips_first_and_never_a_file_beside_itself(copied: LongtailAnalysis) -> None:
    items = most_copied(copied, 1000)
    assert [item.prompt.clip_id for item in items] == ["clip005", "clip004", "clip003"]
    assert [p.name for p in items[0].players] == ["Re-AudioLDM", "retrieved: neighbour 0", "real audio"]
    assert most_copied(copied, 10) == []
    assert len(most_copied(copied, 15)) == 1
    first, *others = copied.systems
    assert first.retrieval is not None
    pasted = dict.fromkeys(first.clips, first.retrieval.neighbours["clip000"][0].pair.audio)
    assert most_copied(replace(copied, systems=(replace(first, clips=pasted), *others)), 1000) == []  # type: ignore[arg-type]


def test_retrieved_clips_are_merged_over_systems_and_budgeted(small: LongtailAnalysis, tmp_path: Path) -> None:
    analysis = with_retrieval(small, tmp_path, k=5)
    first, second, *others = analysis.systems
    assert first.retrieval is not None
    clip = "clip000"
    again = replace(
        second, retrieval=Retrieval({clip: first.retrieval.neighbours[clip][:1]}), clips={clip: tmp_path / "n0.wav"}
    )
    found = retrieved_for(replace(analysis, systems=(first, again, *others)), clip)
    assert [n.caption for n in found] == [f"neighbour {i}" for i in range(5)]
    assert [(u.name, u.rank) for u in found[0].uses] == [("Re-AudioLDM", 1), ("AudioGen", 1)]
    assert found[0].played_as == "AudioGen"
    assert [n.path is not None for n in found] == [False, True, True, False, False]
    per_prompt = 3 + PLAYED
    assert len(select(analysis, 2 * per_prompt + 1).chosen) == 2
    assert len(select(analysis, per_prompt - 1).chosen) == 0
    assert retrieved_for(analysis, "unknown") == ()


@pytest.mark.slow
def test_the_page_plays_neighbours_and_folds_many(small: LongtailAnalysis, tmp_path: Path) -> None:
    few = render(with_retrieval(small, tmp_path / "few", k=2), tmp_path / "a")[1]
    folds = [a for a in few.all("details") if a.get("class") == "neighbours"]
    assert len(folds) == 6
    assert all("open" in a for a in folds)
    assert sum(a["aria-label"].startswith("Retrieved clip:") for a in few.all("audio")) == 12
    assert "Re-AudioLDM, rank 1" in few.text
    many = render(with_retrieval(small, tmp_path / "many", k=6), tmp_path / "b")[1]
    folds = [a for a in many.all("details") if a.get("class") == "neighbours"]
    assert folds
    assert not any("open" in a for a in folds)
    ids = [a["id"] for _, a in many.elements if "id" in a]
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_hostile_captions_and_neighbours_that_are_gone(small: LongtailAnalysis, tmp_path: Path) -> None:
    analysis = with_retrieval(small, tmp_path / "pool")
    first, *others = analysis.systems
    assert first.retrieval is not None
    bad = {
        clip: tuple(
            n._replace(pair=n.pair._replace(caption=HOSTILE, audio=(None, tmp_path / "gone.wav")[n.rank])) for n in own
        )
        for clip, own in first.retrieval.neighbours.items()
    }
    hostile = replace(first, retrieval=replace(first.retrieval, neighbours=bad, about={"pool": HOSTILE}))
    page = render(replace(analysis, systems=(hostile, *others)), tmp_path / "out")[1]
    assert len(list(page.all("script"))) == 1
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "alert('x')" in page.text
    assert "The system names no audio file for it." in page.text
    assert "This clip cannot be played: gone.wav cannot be opened: No such file or directory" in page.text
    assert str(tmp_path) not in page.text


@pytest.mark.slow
def test_a_prompt_that_retrieved_nothing_has_no_fold(small: LongtailAnalysis, tmp_path: Path) -> None:
    analysis = with_retrieval(small, tmp_path / "pool")
    first, *others = analysis.systems
    assert first.retrieval is not None
    one = {"clip000": first.retrieval.neighbours["clip000"], "clip001": ()}
    system = replace(first, retrieval=replace(first.retrieval, neighbours=one))
    page = render(replace(analysis, systems=(system, *others)), tmp_path / "out")[1]
    assert sum(a.get("class") == "neighbours" for a in page.all("details")) == 1


@pytest.mark.slow
def test_without_media_the_section_is_still_there(copied: LongtailAnalysis, tmp_path: Path) -> None:
    report, page = render(copied, tmp_path, media="none")
    assert "Leakage and copying" in page.text
    assert not list(page.all("audio"))
    names = {p.name for p in report.tables}
    assert {"copying-copies.csv", "copying-leaks.csv", "copying-net.tex", "leak-scores.tex", "leaks.tex"} <= names


def test_copying_says_what_systems_without_retrieval_are_measured_against(copied: LongtailAnalysis) -> None:
    others = [s.name for s in copied.systems if s.name != "Re-AudioLDM"]
    expected = (
        f"Copying of {listing(others)}, which retrieve nothing, is measured against the clips retrieved by Re-AudioLDM;"
    )
    for view in (copy_table(copied, COPYING), main_table(copied)):
        assert sum(caveat.startswith(expected) for caveat in view.caveats) == 1
    own = {s.name: s.name for s in copied.systems}
    alone = replace(copied, copying=replace(copied.copying, neighbours_of=own))
    assert not any(copy_table(alone, COPYING).caveats)
