"""The page in a browser: sorting, filtering, choosing a metric, and no error while it loads."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import synthetic_report
from browser import CHROMIUM, in_browser

from reaudio_eval.evaluations.longtail.page import render_longtail
from reaudio_eval.reports import figure_files
from reaudio_eval.statistics.analysis import LongtailAnalysis

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.usefixtures("page_only"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    made = synthetic_report.build(folder / "clips", n_systems=3, n_classes=20, n_clips=4, n_metrics=4, seconds=0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_files, "save_figure", lambda figure, stem: [])
        return render_longtail(made, folder).html


def test_sort_filter_and_metric(page: Path, tmp_path: Path) -> None:
    found = in_browser(
        page,
        """
        const table = document.querySelector('#classes .chosen table'), heads = table.tHead.rows[0].cells;
        const column = (i) => [...table.tBodies[0].rows].map((row) => row.cells[i].textContent);
        const shown = () => [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[2].textContent);
        const result = {initial: column(1)};
        heads[4].querySelector('button').click();
        result.descending = column(4);
        result.sorted = heads[4].ariaSort;
        heads[4].querySelector('button').click();
        result.ascending = column(4);
        heads[0].querySelector('button').click();
        result.names = [...table.tBodies[0].rows].map((row) => row.cells[0].querySelector('span').textContent);
        const box = document.getElementById('filter');
        box.value = 'RARE'; box.dispatchEvent(new Event('input'));
        result.filtered = shown(); result.matches = document.getElementById('matches').textContent;
        const select = document.getElementById('metric');
        select.value = '2'; select.dispatchEvent(new Event('change'));
        result.panels = [...document.querySelectorAll('.panel.chosen')].map((panel) => panel.dataset.metric);
        result.open = [...document.querySelectorAll('.panel.chosen')].every((panel) => panel.open);
        return result;
        """,
        tmp_path / "profile",
    )
    values = [float(v.replace("−", "-")) for v in found["descending"]]
    assert values == sorted(values, reverse=True)
    assert found["sorted"] == "descending"
    assert found["ascending"] == found["descending"][::-1] or len(set(values)) < len(values)
    assert found["names"] == sorted(found["names"], key=str.lower)
    trained = [int(n.replace(",", "")) for n in found["initial"]]
    assert trained == sorted(trained, reverse=True)
    assert set(found["filtered"]) == {"rare 1-99"}
    assert found["matches"] == f"{len(found['filtered'])} of {len(values)} classes"
    assert found["panels"] == ["2"] * 4
    assert found["open"]


def test_legend_points_theme(page: Path, tmp_path: Path) -> None:
    found = in_browser(
        page,
        """
        const root = document.documentElement, legend = document.querySelectorAll('.legend button');
        const dark = getComputedStyle(document.body).backgroundColor;
        document.getElementById('theme').click();
        const light = getComputedStyle(document.body).backgroundColor;
        legend[1].click();
        const chart = document.querySelector('.chosen .points-chart');
        const hidden = getComputedStyle(chart.querySelector('[data-s="1"]')).display;
        chart.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
        const tip = document.getElementById('tip').textContent;
        chart.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}));
        const row = document.getElementById(location.hash.slice(1));
        return {dark, light, hidden, pressed: legend[1].ariaPressed, tip, row: row.cells[0].querySelector('span').textContent};
        """,
        tmp_path / "profile",
    )
    assert found["dark"] != found["light"]
    assert found["hidden"] == "none"
    assert found["pressed"] == "false"
    assert found["tip"].startswith(found["row"] + " (")
    assert "training" in found["tip"]


@pytest.mark.parametrize("width", [1440, 500])
def test_only_containers_scroll_sideways(wide_page: Path, tmp_path: Path, width: int) -> None:
    script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth, innerWidth]"
    wide, client, inner = in_browser(wide_page, script, tmp_path / "profile", width)
    assert wide <= client <= inner


@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 1000])
def test_the_verdicts_table_shows_its_numbers(page: Path, tmp_path: Path, width: int) -> None:
    script = """
    const table = document.querySelector('#verdict > .scroll table');
    return [table.offsetWidth, table.parentElement.clientWidth];
    """
    table, room = in_browser(page, script, tmp_path / "profile", width)
    assert 0 < table <= room


@pytest.mark.slow
@pytest.mark.parametrize("media", ["inline", "folder"])
def test_media_load_under_the_policy(small: LongtailAnalysis, tmp_path: Path, media: Literal["inline", "folder"]) -> None:
    script = """
        const audio = document.querySelector('audio'), pictures = [...document.querySelectorAll('img')];
        for (const picture of pictures) picture.loading = 'eager';
        await Promise.all(pictures.map((picture) => picture.decode()));
        const loaded = new Promise((done) => {
          audio.addEventListener('loadedmetadata', () => done(audio.duration));
          audio.addEventListener('error', () => done(audio.error.message));
        });
        audio.preload = 'metadata';
        audio.load();
        return {widths: pictures.map((picture) => picture.naturalWidth), seconds: await loaded};
    """
    found = in_browser(render_longtail(small, tmp_path, media=media).html, script, tmp_path / "profile")
    assert set(found["widths"]) == {320}
    assert found["seconds"] == pytest.approx(0.5, abs=0.2)


@pytest.mark.slow
def test_the_policy_stops_the_network(small: LongtailAnalysis, tmp_path: Path) -> None:
    script = """
        const blocked = new Promise((done) => addEventListener('securitypolicyviolation', (e) => done(e.effectiveDirective)));
        document.body.append(Object.assign(new Image(), {src: 'https://example.invalid/x.png'}));
        return blocked;
    """
    assert in_browser(render_longtail(small, tmp_path, media="none").html, script, tmp_path / "profile") == "img-src"
