"""The comparison page: one HTML file that needs no network, with its figures, tables and JSON beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from reaudio_eval.clips.system import SYSTEM_KINDS
from reaudio_eval.evaluations.compare import tables
from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.evaluations.compare.dumbbell import dumbbell_figure, finding
from reaudio_eval.evaluations.compare.listen import select_pairs
from reaudio_eval.evaluations.compare.paper_table import paper_latex
from reaudio_eval.reports import audit_tables, shared_tables
from reaudio_eval.reports.figure_files import FigureFiles
from reaudio_eval.reports.files import FRAMES, analysis_fields, csv_bytes, file_stem, latex, record_json
from reaudio_eval.reports.listen import Listening, anchors_by_label, ranking_metric
from reaudio_eval.reports.media import Media, MediaMode, media_for
from reaudio_eval.reports.page import render_page
from reaudio_eval.reports.rendered import Progress, RenderedReport
from reaudio_eval.reports.text import count
from reaudio_eval.reports.views import TableView, primary_first
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_model.common.files import atomic_write

SECTIONS = (
    ("verdict", "Verdict"), ("systems", "Systems"), ("published", "Published"), ("differences", "Differences"),
    ("gains", "Who gains where"), ("classes", "Classes"), ("listen", "Listen"), ("alerts", "Alerts"), ("provenance", "Provenance"),
)  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """What the page shows of one metric; None where the metric has no such thing."""

    metric: MetricInfo
    differences: TableView | None
    classes: TableView | None


@dataclass(frozen=True)
class Gains:
    """The figure of one system against the baseline, and what it shows in a sentence."""

    system: int
    name: str
    figure: Markup
    finding: str


def render_compare(
    comparison: Comparison, output: Path, *, media: MediaMode, max_players: int, jobs: int, progress: Progress | None = None
) -> RenderedReport:
    """Write ``compare.html``, ``compare.json``, ``figures/`` and ``tables/`` into ``output``, each file in one step.

    The same comparison and clips give the same bytes.

    Args:
        media: players inside the page, in ``output/media``, or none.
        max_players: how many players at most.
        jobs: threads that encode audio.
        progress: called with (steps done, steps in all, what was done), from the calling thread.

    Raises:
        ReaudioError: ``output`` cannot be written.
    """
    ordered = tuple(sorted(comparison.analysis.systems, key=lambda s: SYSTEM_KINDS.index(s.kind)))
    comparison = replace(comparison, analysis=replace(comparison.analysis, systems=ordered))
    listening = select_pairs(comparison, max_players if media != "none" else 0)
    paths = [path for each in listening.values() for item in each.chosen for path in item.paths]
    total, done = len(comparison.compared) + len(set(paths)) + 2, 0

    def advance(what: str) -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total, what)

    figures = FigureFiles(ordered, output / "figures")
    gains = []
    for system in comparison.compared:
        gains += _gains(comparison, system, figures)
        advance("figures")
    panels = [_panel(comparison, metric, _anchors(listening)) for metric in primary_first(comparison.analysis)]
    main, published = shared_tables.main_table(comparison.analysis), tables.published_table(comparison)
    written = _write_tables(comparison, main, published, panels, output / "tables")
    atomic_write(output / "compare.json", comparison_json(comparison))
    advance("tables")
    clips, files = media_for(paths, output, media, jobs, lambda _: advance("clips"))
    page = _page(comparison, main, published, panels, gains, listening, clips)
    atomic_write(output / "compare.html", page.encode())
    advance("page")
    return RenderedReport(
        output / "compare.html", output / "compare.json", tuple(figures.written), tuple(written), tuple(files)
    )


def _gains(comparison: Comparison, system: str, figures: FigureFiles) -> list[Gains]:
    metric = ranking_metric(comparison.analysis)
    chart = None if metric is None else dumbbell_figure(comparison, metric, system)
    if metric is None or chart is None:
        return []
    place, told = tables.position(comparison, system), finding(comparison, metric, system)
    svg = figures.add(f"gains-{place}-{file_stem(system)}", chart, told, legend=False)
    return [] if svg is None else [Gains(place, system, svg, told)]


def _anchors(listening: Mapping[str, Listening]) -> dict[str, tuple[str, ...]]:
    """Label -> prompts on the page, those of the first system first."""
    found: dict[str, tuple[str, ...]] = {}
    for each in listening.values():
        for label, anchors in anchors_by_label(each).items():
            found[label] = (*found.get(label, ()), *anchors)
    return found


def _panel(comparison: Comparison, metric: MetricInfo, listen: Mapping[str, tuple[str, ...]]) -> Panel:
    return Panel(metric, tables.differences_table(comparison, metric), tables.class_table(comparison, metric, listen))


def comparison_json(comparison: Comparison) -> bytes:
    """Everything but the audio files: the analysis, and what this comparison adds to it."""
    added = {
        "baseline": comparison.baseline,
        "compared": comparison.compared,
        "runs": comparison.runs,
        "class_differences": comparison.classes,
        "stratum_differences": comparison.strata,
        "published": comparison.published,
    }
    return record_json({**added, **analysis_fields(comparison.analysis)})


def _write_tables(
    comparison: Comparison, main: TableView, published: TableView | None, panels: list[Panel], folder: Path
) -> list[Path]:
    """Every frame as CSV, and the page's tables as LaTeX; the main one as papers print it."""
    frames = {name: getattr(comparison.analysis, name) for name in FRAMES}
    frames |= {
        "class_differences": comparison.classes,
        "stratum_differences": comparison.strata,
        "runs": comparison.runs,
        **({} if published is None else {"published": comparison.published}),
    }
    views = [view for panel in panels for view in (panel.differences, panel.classes) if view is not None]
    views += [shared_tables.strata_table(comparison.analysis, panel.metric) for panel in panels]
    views += [] if published is None else [published]
    files = {f"{name}.csv": csv_bytes(frame) for name, frame in frames.items()}
    files |= {f"{file_stem(view.name)}.tex": latex(view).encode() for view in views}
    files["main.tex"] = paper_latex(main, _about(comparison)).encode()
    for name, data in files.items():
        atomic_write(folder / name, data)
    return [folder / name for name in files]


def _about(comparison: Comparison) -> str:
    analysis = comparison.analysis
    return f"Text-to-audio systems on {count(len(analysis.prompts), 'clip')} of {analysis.dataset_name} ({analysis.split})."


def _page(
    comparison: Comparison,
    main: TableView,
    published: TableView | None,
    panels: list[Panel],
    gains: list[Gains],
    listening: Mapping[str, Listening],
    clips: Mapping[Path, Media],
) -> str:
    analysis = comparison.analysis
    metric = ranking_metric(analysis)
    content = {
        "comparison": comparison,
        "analysis": analysis,
        "sentences": tables.verdict_sentences(comparison),
        "headline": tables.headline_table(comparison),
        "main": main,
        "published": published,
        "panels": panels,
        "gains": gains,
        "gain_metric": metric,
        "listening": listening,
        "clips": clips,
        "alerts": sorted(analysis.alerts, key=lambda alert: alert.level != "warning"),
        "runs": tables.runs_table(comparison),
        "metrics_table": shared_tables.metrics_table(analysis),
        "audit_table": audit_tables.audit_table(analysis),
        "positions": {s.name: i for i, s in enumerate(analysis.systems)},
    }
    shown = tuple(s for s in SECTIONS if s[0] != "published" or published is not None)
    return render_page(
        Path(__file__).with_name("compare.html.j2"),
        name="compare",
        title=f"Comparison: {analysis.dataset_name}/{analysis.split}",
        sections=shown,
        systems=analysis.systems,
        content=content,
    )
