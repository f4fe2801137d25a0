"""The page: complete, safe with hostile text, the same bytes twice, and readable when there is little to show."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import synthetic_report
from pages import HOSTILE, Page, render

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.longtail.page import render_longtail
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_model.common.errors import ReaudioError

SECTIONS = (
    "verdict", "systems", "labels", "frequency", "strata", "gap", "worst", "alerts", "classes", "copying", "listen", "audit",
    "provenance",
)  # fmt: skip
SCORED = ("clap_score", "label_recall_panns")


@pytest.fixture(scope="module")
def small_report(small: LongtailAnalysis, tmp_path_factory: pytest.TempPathFactory) -> tuple[RenderedReport, Page]:
    return render(small, tmp_path_factory.mktemp("small"))


def test_sections_are_there_in_order(small_report: tuple[RenderedReport, Page]) -> None:
    page = small_report[1]
    assert tuple(a["id"] for a in page.all("section")) == SECTIONS
    assert not page.open
    assert len(list(page.all("h1"))) == 1
    assert next(page.all("html"))["lang"] == "en"


def test_ids_are_unique_and_links_lead_somewhere(small_report: tuple[RenderedReport, Page]) -> None:
    page = small_report[1]
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for _, a in page.elements if a.get("href", "").startswith("#")]
    assert targets
    assert set(targets) <= set(ids)


def test_accessible_names(small_report: tuple[RenderedReport, Page]) -> None:
    page = small_report[1]
    assert sum(tag == "caption" for tag, _ in page.elements) == sum(tag == "table" for tag, _ in page.elements)
    assert all("scope" in a for a in page.all("th"))
    assert all(a["alt"] for a in page.all("img"))
    assert all(a["aria-label"] and a["preload"] == "none" for a in page.all("audio"))
    figures = [a for a in page.all("svg") if a.get("role") == "img"]
    ids = {a.get("id") for _, a in page.elements}
    assert figures
    assert all(a["aria-labelledby"] in ids for a in figures)


def test_nothing_comes_from_the_network(small_report: tuple[RenderedReport, Page]) -> None:
    page = small_report[1]
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "poster", "data"):
            address = attributes.get(name, "")
            assert tag == "a" or not re.match(r"(?i)[a-z]+://|//", address), (tag, address)
    assert {a["href"] for a in page.all("a") if "://" in a["href"]} == {"https://arxiv.org/abs/2309.08051"}
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "http" not in policy


@pytest.mark.slow
def test_same_input_same_bytes(small: LongtailAnalysis, small_report: tuple[RenderedReport, Page], tmp_path: Path) -> None:
    again = render_longtail(small, tmp_path, jobs=3)
    first = small_report[0]
    for one, other in zip(files_of(first), files_of(again), strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def files_of(report: RenderedReport) -> list[Path]:
    return [report.html, report.json, *report.figures, *report.tables, *report.media]


@pytest.mark.slow
@pytest.mark.usefixtures("page_only")
def test_hostile_text_stays_text(small: LongtailAnalysis, tmp_path: Path) -> None:
    first, *others = small.systems
    rename = {first.name: HOSTILE}
    frames = {
        name: getattr(small, name).replace({"system": rename, "system_a": rename, "system_b": rename})
        for name in ("overall", "by_stratum", "per_class", "curve", "bins", "trend", "paired", "clip_scores")
    }
    bad = replace(
        small,
        **frames,
        systems=(replace(first, name=HOSTILE, description=HOSTILE), *others),
        prompts=tuple(replace(p, caption=HOSTILE) for p in small.prompts),
        labels=small.labels.assign(name=HOSTILE),
        dataset_name=HOSTILE,
        provenance={HOSTILE: {"x": [HOSTILE]}},
        audit={HOSTILE: {"n_clips": 1, "clips": [{"clip_id": HOSTILE, "status": "missing", "reason": HOSTILE}]}},
    )
    report, page = render(bad, tmp_path)
    assert len(list(page.all("script"))) == 1
    assert not any(attribute.startswith("on") for _, attributes in page.elements for attribute in attributes)
    assert "alert('x')" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert json.loads(report.json.read_text(encoding="utf-8"))["dataset_name"] == HOSTILE


def test_undefined_cells_show_a_dash_and_the_reason(wide_page: Path) -> None:
    page = Page(wide_page.read_text(encoding="utf-8"))
    reason = "KL of the real audio against itself is zero by definition."
    assert reason in [a.get("title") for a in page.all("abbr")]
    assert page.text.count(reason) >= 1
    assert "nan" not in page.text.lower().split()
    assert "<NA>" not in page.text


@pytest.mark.usefixtures("page_only")
def test_empty_analysis(small: LongtailAnalysis, tmp_path: Path) -> None:
    page = render(synthetic_report.emptied(small), tmp_path)[1]
    assert "nothing to compare" in page.text
    assert tuple(a["id"] for a in page.all("section")) == SECTIONS


@pytest.mark.slow
@pytest.mark.usefixtures("page_only")
def test_one_system_without_references(tmp_path: Path) -> None:
    alone = synthetic_report.build(n_systems=1, n_classes=12, n_clips=6, n_metrics=2, references=False)
    page = render(alone, tmp_path)[1]
    assert "This report holds no clips to listen to." in page.text


@pytest.mark.slow
@pytest.mark.usefixtures("page_only")
def test_no_curve_for_set_metrics(analysis: LongtailAnalysis, tmp_path: Path) -> None:
    page = render(replace(analysis, metrics=analysis.metrics[3:], primary="fad_vggish"), tmp_path, media="none")[1]
    assert "is computed on a set of clips, so a single class has no value" in page.text


@pytest.mark.slow
@pytest.mark.usefixtures("page_only")
def test_players_are_capped_by_whole_prompts(small: LongtailAnalysis, tmp_path: Path) -> None:
    page = render(small, tmp_path, max_players=7)[1]
    assert len(list(page.all("audio"))) == 6  # two prompts with the real clip and two systems
    assert "2 of 6 prompts" in page.text


@pytest.mark.slow
@pytest.mark.usefixtures("page_only")
def test_media_in_a_folder(small: LongtailAnalysis, tmp_path: Path) -> None:
    report, page = render(small, tmp_path, media="folder")
    sources = {a["src"] for a in page.all("audio")} | {a["src"] for a in page.all("img")}
    assert {p.relative_to(tmp_path).as_posix() for p in report.media} == sources
    before = {p: p.stat().st_mtime_ns for p in report.media}
    again = render_longtail(small, tmp_path, media="folder")
    assert {p: p.stat().st_mtime_ns for p in again.media} == before


@pytest.mark.slow
@pytest.mark.usefixtures("page_only")
def test_unreadable_audio_is_a_note(small: LongtailAnalysis, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF this is not audio")
    first, *others = small.systems
    clips = {clip: (broken if i % 2 else tmp_path / "absent.wav") for i, clip in enumerate(first.clips)}
    page = render(replace(small, systems=(replace(first, clips=clips), *others)), tmp_path / "out")[1]
    assert page.text.count("This clip cannot be played") == len(small.prompts)
    assert str(tmp_path) not in page.text


def test_links_from_a_class_to_its_prompts(small_report: tuple[RenderedReport, Page]) -> None:
    page = small_report[1]
    prompts = {a["id"] for a in page.all("article")}
    assert {a["href"][1:] for a in page.all("a") if a.get("class") == "play"} <= prompts
    assert len(prompts) == 6


@pytest.mark.slow
def test_files_are_all_there(small: LongtailAnalysis, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    report = render_longtail(small, tmp_path, media="none", progress=lambda done, total, _what: steps.append((done, total)))
    assert steps[-1][0] == steps[-1][1] == len(steps)
    stems = {
        "label-histogram",
        "levels",
        *(f"worst-{i}-{name}" for i, name in enumerate(synthetic_report.NAMES[:2])),
        *(f"{kind}-{name}" for kind in ("frequency", "strata", "trend") for name in SCORED),
    }
    assert {p.name for p in report.figures} == {f"{stem}.{kind}" for stem in stems for kind in ("svg", "pdf", "png")}
    assert all(p.stat().st_size > 500 for p in report.figures)
    written = {p for p in tmp_path.rglob("*") if p.is_file()}
    assert written == {report.html, report.json, *report.figures, *report.tables}  # no temporary file is left


def test_json_holds_everything_but_media(small: LongtailAnalysis, small_report: tuple[RenderedReport, Page]) -> None:
    data = json.loads(small_report[0].json.read_text(encoding="utf-8"), parse_constant=lambda name: pytest.fail(name))
    for name in synthetic_report.FRAMES:
        frame = getattr(small, name)
        assert len(data[name]) == len(frame)
        assert list(data[name][0]) == list(frame.columns)
    assert data["schema_version"] == 1
    assert "references" not in data
    assert "clips" not in data["systems"][0]
    values = [row["value"] for row in data["overall"]]
    expected = small.overall["value"]
    assert values == [None if pd.isna(v) else v for v in expected]


@pytest.mark.usefixtures("page_only")
def test_output_that_cannot_be_written(small: LongtailAnalysis, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReaudioError, match="Cannot write"):
        render_longtail(small, tmp_path / "file" / "below", media="none")


@pytest.mark.slow
@pytest.mark.usefixtures("page_only")
def test_a_prompt_without_known_labels(small: LongtailAnalysis, tmp_path: Path) -> None:
    odd = (Prompt("clip000", "a sound", ("/m/unknown",), labels_known=False), *small.prompts[1:])
    page = render(replace(small, prompts=odd, systems=small.systems[:1]), tmp_path)[1]
    assert "1 prompts with ambiguous labels" not in page.text
    assert "1 prompt with ambiguous labels" in page.text


@pytest.mark.slow
@pytest.mark.usefixtures("page_only")
def test_systems_without_players_are_listed(small: LongtailAnalysis, tmp_path: Path) -> None:
    silent = (*small.systems, SystemInfo("Silent", "generated", 0))
    assert "Silent" in render(replace(small, systems=silent), tmp_path)[1].text
