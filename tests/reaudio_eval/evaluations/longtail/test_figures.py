"""Figures: what is drawn, the SVG in the page, the same bytes twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.longtail.figures import frequency_figure, label_histogram_figure, strata_figure, trend_figure
from reaudio_eval.prompts.strata import ZERO_SHOT, Stratum
from reaudio_eval.reports.palette import COLOURS, INK, MUTED, SURFACE, css_colour, marker_path, system_styles
from reaudio_eval.reports.shared_tables import bins_table
from reaudio_eval.reports.svg import figure_bytes, inline, save_figure
from reaudio_eval.scores.system_scores import MetricInfo, Range
from reaudio_eval.statistics.analysis import LongtailAnalysis

TEXT_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
MARK_CONTRAST = 3.0  # WCAG 2.2, 1.4.11


def luminance(colour: str) -> float:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str) -> None:
    surface = getattr(SURFACE, scheme)
    assert all(contrast(getattr(text, scheme), surface) >= TEXT_CONTRAST for text in (INK, MUTED))
    systems = [SystemInfo(str(i), "generated", 0) for i in range(8)] + [
        SystemInfo("r", "real", 0),
        SystemInfo("n", "noise", 0),
    ]
    assert all(contrast(getattr(s.colour, scheme), surface) >= MARK_CONTRAST for s in system_styles(systems))


def test_systems_differ_without_colour() -> None:
    systems = [SystemInfo(str(i), "generated", 0) for i in range(12)] + [
        SystemInfo("r", "real", 0),
        SystemInfo("n", "noise", 0),
    ]
    styles = system_styles(systems)
    for one, other in combinations(styles[:8] + styles[12:], 2):
        assert one.marker != other.marker
        assert one.dash != other.dash
    assert len({(s.colour, s.marker) for s in styles}) == len(styles)
    assert all(marker_path(s.marker).startswith("M") for s in styles)


def test_light_colours_are_unique_so_that_they_can_be_replaced() -> None:
    assert len({c.light for c in COLOURS}) == len(COLOURS)
    assert css_colour(f"fill:{INK.light}") == "fill:var(--ink)"


def test_every_class_is_a_point_that_knows_its_row(analysis: LongtailAnalysis) -> None:
    metric = analysis.metrics[0]
    chart = frequency_figure(analysis, metric)
    assert chart is not None
    root = ET.fromstring(inline(chart.figure, "f", "A finding.", chart.points))
    per_class = analysis.per_class[(analysis.per_class["metric"] == metric.name)]
    for i, system in enumerate(analysis.systems):
        group = root.find(f".//g[@class='points'][@data-s='{i}']")
        assert group is not None
        drawn = [int(use.get("data-c", "-1")) for use in group.iter("use")]
        expected = per_class[(per_class["system"] == system.name) & per_class["value"].notna()]
        assert sorted(analysis.labels["label"].iloc[drawn]) == sorted(expected["label"])
        across = [float(use.get("x", "nan")) for use in group.iter("use")]
        assert across == sorted(across)  # common to rare: the order of the arrow keys


def bounded(analysis: LongtailAnalysis, metric: MetricInfo) -> MetricInfo:
    """The metric with the range of its values, so that there are some at both bounds."""
    values = analysis.per_class.loc[analysis.per_class["metric"] == metric.name, "value"]
    return replace(metric, range=Range(float(values.min()), float(values.max())))


@pytest.mark.slow
@pytest.mark.parametrize("k", [0, 1, 2])
def test_axes_end_at_the_range_of_the_metric(analysis: LongtailAnalysis, k: int) -> None:
    metric = bounded(analysis, analysis.metrics[k])
    low, high = metric.range
    assert low is not None
    assert high is not None
    frequency = frequency_figure(analysis, metric)
    assert frequency is not None
    assert frequency.figure.axes[0].get_ylim() == pytest.approx((low, high))
    strata, trend = strata_figure(analysis, metric), trend_figure(analysis, metric)
    assert strata is not None
    assert trend is not None
    bottom, top = strata.figure.axes[0].get_ylim()
    assert low <= bottom < top <= high
    left, right = trend.figure.axes[0].get_xlim()
    assert low - high <= left < 0 < right <= high - low


def test_a_slope_without_a_gap_is_drawn(analysis: LongtailAnalysis) -> None:
    slopes = analysis.trend[analysis.trend["statistic"] == "slope"]
    chart = trend_figure(replace(analysis, trend=slopes), analysis.metrics[0])
    assert chart is not None
    gap, slope = (sum(str(line.get_gid()).startswith("mean") for line in ax.lines) for ax in chart.figure.axes)
    assert (gap, slope) == (0, len(slopes[slopes["metric"] == analysis.metrics[0].name]))


def test_strata_from_common_to_rare_by_their_titles(analysis: LongtailAnalysis) -> None:
    chart = strata_figure(analysis, analysis.metrics[0])
    assert chart is not None
    titles = [t.get_text().replace("\n", " ") for t in chart.figure.axes[0].get_xticklabels()]
    assert titles == ["common 1,000+", "medium 100-999", "rare 1-99", "unseen"]


def test_the_smooth_ends_at_the_rarest_class_seen_in_training(analysis: LongtailAnalysis) -> None:
    """Where it has the value that the curve has there; unseen classes are apart."""
    metric = analysis.metrics[0]
    chart = frequency_figure(analysis, metric)
    assert chart is not None
    (ax,) = chart.figure.axes
    (line,) = (line for line in ax.lines if line.get_gid() == "line-0")
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    counts = analysis.per_class.loc[analysis.per_class["n_train"] > 0, "n_train"].to_numpy(dtype=float)
    assert x.max() == pytest.approx(-np.log10(counts.min()))
    curve = analysis.curve[
        (analysis.curve["metric"] == metric.name) & (analysis.curve["system"] == analysis.systems[0].name)
    ]
    curve = curve.sort_values("n_train")
    assert y[x.argmax()] == pytest.approx(np.interp(np.log1p(counts.min()), np.log1p(curve["n_train"]), curve["value"]))
    assert ax.get_xlim()[0] < x.min()


def test_bins_from_common_to_rare(analysis: LongtailAnalysis) -> None:
    view = bins_table(analysis, analysis.metrics[0])
    assert view is not None
    counts = [float(row.head.removeprefix("about ").replace(",", "")) for row in view.groups[0]]
    assert counts == sorted(counts, reverse=True)


def test_inline_svg_is_clean(analysis: LongtailAnalysis) -> None:
    chart = strata_figure(analysis, analysis.metrics[0])
    assert chart is not None
    text = inline(chart.figure, "s", "A <finding> & more.")
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    assert root.findtext("title") == "A <finding> & more."
    assert not [c.light for c in COLOURS if c.light in text]
    assert "font-family" not in text
    assert "xlink" not in text
    assert "metadata" not in text


@pytest.mark.slow
def test_figures_are_the_same_bytes_twice(analysis: LongtailAnalysis) -> None:
    metric = analysis.metrics[0]
    for draw in (frequency_figure, strata_figure, trend_figure):
        one, other = draw(analysis, metric), draw(analysis, metric)
        assert one is not None
        assert other is not None
        for kind in ("svg", "pdf", "png"):
            assert figure_bytes(one.figure, kind, "x") == figure_bytes(other.figure, kind, "x")


def test_nothing_to_draw_is_none(analysis: LongtailAnalysis) -> None:
    set_metric = analysis.metrics[3]
    assert frequency_figure(analysis, set_metric) is None
    assert trend_figure(analysis, set_metric) is None
    assert strata_figure(analysis, set_metric) is not None


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, 1, 400])
def test_label_histogram(n: int, tmp_path: Path) -> None:
    counts = (20_000 / (1 + np.arange(n)) ** 1.6).astype(int)
    strata = (Stratum("head $1$", 101, None, "often $1$"), Stratum("tail", 1, 101, "rare"), ZERO_SHOT)
    stratum = np.where(counts > 100, "head $1$", "tail")
    labels = pd.DataFrame({"n_train": counts, "n_val": counts // 100, "stratum": stratum}).astype({"n_train": "Int64"})
    svg, pdf, png = save_figure(label_histogram_figure(labels, strata, "val"), tmp_path / "histogram")
    ET.fromstring(svg.read_bytes())
    assert pdf.read_bytes().startswith(b"%PDF")
    with Image.open(png) as picture:
        assert picture.width > 1000
    assert ("often $1$: 101 or more training clips" in svg.read_text(encoding="utf-8")) == (n > 0)
