"""The comparison page: who gains where, which clips are played, the table for a paper, and the page in a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, in_browser
from run_folders import CLAP, KAD, KL, METRICS, RECALL, make_dataset, write, write_audio

from reaudio_eval import compare
from reaudio_eval.evaluations.compare import page as compare_page
from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.evaluations.compare.dumbbell import EXTREMES, MOST, class_blocks, dumbbell_figure, finding
from reaudio_eval.evaluations.compare.listen import clip_gains, select_pairs
from reaudio_eval.evaluations.compare.tables import (
    class_table,
    differences_table,
    gain,
    published_table,
    runs_table,
)
from reaudio_eval.evaluations.compare.verdict import verdict_sentences
from reaudio_eval.reports import figure_files
from reaudio_eval.scores.system_scores import Range

LEVELS = {"base": 0.40, "better": 0.45, "worse": 0.35, "same": 0.401}


def make(root: Path, more_classes: int = 0, audio: bool = False) -> Comparison:
    data = make_dataset(5 * (16 + more_classes), more_classes=more_classes)
    clips = write_audio(root / "audio", data, 300) if audio else None
    for name, level in LEVELS.items():
        write(root / "runs-of", name, level, dataset=data, clips=clips)
    write(root / "runs-of", "real", 0.8, dataset=data, kind="real", clips=clips)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_files, "save_figure", lambda figure, stem: [])
        patch.setattr("reaudio_eval.evaluations.compare.sections.gains.dumbbell_figure", lambda *given: None)
        return compare([root / "runs-of"], output=root / "out", baseline="base", published=True, media="none").comparison


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return make(tmp_path_factory.mktemp("few"), audio=True)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """More classes than one figure holds."""
    return make(tmp_path_factory.mktemp("many"), more_classes=MOST)


def test_gain_follows_the_direction() -> None:
    assert gain(CLAP, 0.1) == 0.1
    assert gain(KL, 0.1) == -0.1


def test_verdict_names_significant_differences(comparison: Comparison) -> None:
    text = [re.sub("</?b>", "", str(s)) for s in verdict_sentences(comparison)]
    assert text[0].startswith("Of 4 systems, better has the highest CLAP score on average over all classes, 0.438")
    assert text[0].endswith("the baseline base has 0.389.")


def test_differences_are_bold_and_named_where_separated(comparison: Comparison) -> None:
    view = differences_table(comparison, KL)
    assert view is not None
    rows = {row.head: row.cells[0] for group in view.groups for row in group}
    assert set(rows) == {"better", "worse", "same", "real"}
    assert (rows["better"].mark, rows["better"].css) == ("best", "gain")
    assert rows["better"].text.startswith("−")
    assert rows["better"].detail.endswith("gain")
    assert (rows["worse"].mark, rows["worse"].css) == ("best", "loss")
    assert (rows["same"].mark, rows["same"].css) == ("", "")
    empty = replace(comparison, strata=comparison.strata.iloc[:0])
    assert differences_table(empty, KL) is None


def test_class_table(comparison: Comparison) -> None:
    view = class_table(comparison, RECALL, {"l03": ("p1-0",)})
    assert view is not None
    assert [c.title for c in view.columns] == ["class", "train", "stratum", "test", "base", "better", "same", "worse"]
    trained = [int(row.cells[0].text.replace(",", "")) for row in view.groups[0]]
    assert trained == sorted(trained, reverse=True)
    assert next(row for row in view.groups[0] if row.head == "Class l03").clips == ("p1-0",)
    shaded = [row.cells[4] for row in view.groups[0] if row.cells[4].css]
    assert shaded
    assert all(cell.css == "gain" and cell.interval for cell in shaded)
    assert class_table(comparison, KAD, {}) is None


def test_published_and_runs(comparison: Comparison) -> None:
    view = published_table(comparison)
    assert view is not None
    assert view.n_rows > 40
    assert not any(cell.mark for group in view.groups for row in group for cell in row.cells)
    assert len(view.groups) == comparison.published["source"].nunique()
    assert published_table(replace(comparison, published=comparison.published.iloc[:0])) is None
    runs = runs_table(comparison)
    assert [row.head for row in runs.groups[0]] == comparison.runs["system"].tolist()


def test_all_classes_common_to_rare(comparison: Comparison) -> None:
    (block,) = class_blocks(comparison, CLAP, "better")
    counts = [int(line.detail.split(", ")[0].replace(",", "")) for line in block.lines]
    assert counts == sorted(counts, reverse=True)
    assert len(block.lines) == 16
    assert class_blocks(comparison, KAD, "better")[0].lines == []


def test_many_classes_show_the_extremes(large: Comparison) -> None:
    gains, losses = class_blocks(large, KL, "same")
    rows = large.classes[(large.classes["metric"] == KL.name) & (large.classes["system"] == "same")]
    ranked = rows.sort_values("difference")
    for block, own in ((gains, ranked.head(EXTREMES)), (losses, ranked.tail(EXTREMES))):
        assert {line.name for line in block.lines} == set(own["name"])
        counts = [int(line.detail.split(", ")[0].replace(",", "")) for line in block.lines]
        assert counts == sorted(counts, reverse=True)
    assert all(line.value < line.baseline for line in gains.lines)
    assert all(line.value > line.baseline for line in losses.lines)
    assert "at least 3 clips" in gains.title


def test_figure_shows_every_value(comparison: Comparison) -> None:
    chart = dumbbell_figure(comparison, CLAP, "better")
    assert chart is not None
    strata, classes = chart.figure.axes[:2]
    drawn = sorted(float(line.get_xdata()[0]) for line in classes.lines if len(line.get_xdata()) == 1)  # type: ignore[arg-type, index]
    rows = comparison.classes[(comparison.classes["metric"] == CLAP.name) & (comparison.classes["system"] == "better")]
    np.testing.assert_allclose(drawn, sorted([*rows["value"], *rows["baseline_value"]]))
    assert [t.get_text() for t in strata.get_yticklabels()] == ["common 1,000+", "medium 100-999", "rare 1-99", "unseen"]
    assert dumbbell_figure(comparison, KAD, "better") is None


def test_the_axis_of_the_figure_ends_at_the_range_of_the_metric(comparison: Comparison) -> None:
    rows = comparison.classes[(comparison.classes["metric"] == CLAP.name) & (comparison.classes["system"] == "better")]
    values = rows[["value", "baseline_value"]].to_numpy()
    metric = replace(CLAP, range=Range(float(values.min()), float(values.max())))
    chart = dumbbell_figure(comparison, metric, "better")
    assert chart is not None
    assert chart.figure.axes[0].get_xlim() == pytest.approx(metric.range)
    assert "Of 16 classes, " in finding(comparison, CLAP, "better")
    assert "has no value per class" in finding(comparison, KAD, "better")


def test_nothing_leaves_the_figure(comparison: Comparison) -> None:
    renamed = comparison.classes.assign(name=comparison.classes["name"] + " with a rather long name")
    chart = dumbbell_figure(replace(comparison, classes=renamed), CLAP, "better")
    assert chart is not None
    box = chart.figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.x1 <= chart.figure.get_figwidth()


@pytest.mark.slow
def test_figures_are_written(comparison: Comparison, tmp_path: Path) -> None:
    report = compare_page.render_compare(
        replace(comparison, compared=("better",)), tmp_path, media="none", max_players=0, jobs=1
    )
    assert {p.suffix for p in report.figures} == {".svg", ".pdf", ".png"}
    assert all(p.stat().st_size > 1000 for p in report.figures)
    assert "This page holds no clips" in report.html.read_text(encoding="utf-8")


def test_largest_gains_and_losses_are_played(comparison: Comparison) -> None:
    found = select_pairs(comparison, 3 * 3 * 9)
    assert list(found) == ["better", "same", "worse"]
    gains = clip_gains(comparison, CLAP, "same")
    groups = {title: [item.prompt.clip_id for item in items] for title, items in found["same"].groups}
    ranked = sorted(gains, key=lambda c: -gains[c])
    assert groups["Largest gains"] == ranked[:3]
    assert groups["Largest losses"] == ranked[::-1][:3]
    assert len(groups["Random"]) == 3
    assert not set(groups["Random"]) & {*groups["Largest gains"], *groups["Largest losses"]}
    anchors = [item.anchor for each in found.values() for item in each.chosen]
    assert len(set(anchors)) == len(anchors)
    assert [p.name for p in found["same"].chosen[0].players] == ["real", "base", "same"]
    assert sum(len(item.players) for each in found.values() for item in each.chosen) <= 81
    assert select_pairs(comparison, 0) == {}


def test_lower_is_better_turns_gains_around(comparison: Comparison) -> None:
    gains = clip_gains(comparison, KL, "better")
    frame = comparison.analysis.clip_scores
    wide = frame[frame["metric"] == KL.name].pivot(index="clip_id", columns="system", values="value")
    assert gains == pytest.approx((wide["base"] - wide["better"]).to_dict())


@pytest.fixture(scope="module")
def page(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_files, "save_figure", lambda figure, stem: [])
        output = tmp_path_factory.mktemp("page")
        return compare_page.render_compare(comparison, output, media="inline", max_players=18, jobs=2).html


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_sort_filter_and_metric_in_a_browser(page: Path, tmp_path: Path) -> None:
    found = in_browser(
        page,
        """
        const table = document.querySelector('#classes .chosen table'), heads = table.tHead.rows[0].cells;
        const result = {};
        heads[5].querySelector('button').click();
        result.sorted = [...table.tBodies[0].rows].map((row) => row.cells[5].querySelector('.v')?.textContent ?? row.cells[5].textContent);
        const box = document.getElementById('filter');
        box.value = 'rare'; box.dispatchEvent(new Event('input'));
        result.strata = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[2].textContent);
        const select = document.getElementById('metric');
        result.options = [...select.options].map((option) => option.textContent);
        select.value = '1'; select.dispatchEvent(new Event('change'));
        result.chosen = [...document.querySelectorAll('.panel.chosen')].map((panel) => panel.dataset.metric);
        const hrefs = [...document.querySelectorAll('a.play, nav a, sup a')].map((a) => a.getAttribute('href').slice(1));
        result.dangling = hrefs.filter((id) => !document.getElementById(id));
        const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
        result.twice = ids.filter((id, i) => ids.indexOf(id) !== i);
        return result;
        """,
        tmp_path / "profile",
    )
    values = [float(v.replace("−", "-")) for v in found["sorted"]]
    assert values == sorted(values, reverse=True)
    assert set(found["strata"]) == {"rare 1-99"}
    assert found["options"] == [m.title for m in METRICS]
    assert found["chosen"] == ["1", "1"]
    assert found["dangling"] == []
    assert found["twice"] == []


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1440, 500])
def test_only_containers_scroll_sideways(page: Path, tmp_path: Path, width: int) -> None:
    script = """
        for (const each of document.querySelectorAll('details')) each.open = true;
        return [document.documentElement.scrollWidth, document.documentElement.clientWidth, innerWidth];
    """
    wide, client, inner = in_browser(page, script, tmp_path / "profile", width)
    assert wide <= client <= inner
