"""The report: one HTML file that needs no network, with its figures, tables and JSON beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from reaudio_eval.clips.system import SYSTEM_KINDS
from reaudio_eval.evaluations.longtail import findings, verdict
from reaudio_eval.evaluations.longtail import tables as comparisons
from reaudio_eval.evaluations.longtail.figures import (
    frequency_figure,
    label_histogram_figure,
    strata_figure,
    trend_figure,
)
from reaudio_eval.evaluations.longtail.files import analysis_json, write_tables
from reaudio_eval.reports import audit_tables, copying_section, shared_tables
from reaudio_eval.reports.drawing import CROWDED, Chart
from reaudio_eval.reports.figure_files import FigureFiles
from reaudio_eval.reports.listen import Listening, anchors_by_label, n_players, select
from reaudio_eval.reports.media import INLINE_PLAYERS, Media, MediaMode, media_for
from reaudio_eval.reports.page import render_page
from reaudio_eval.reports.rendered import Progress, RenderedReport, _Steps
from reaudio_eval.reports.views import TableView, primary_first
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.separation import overall_separation
from reaudio_model.common.files import atomic_write

SECTIONS = (
    ("verdict", "Verdict"), ("systems", "Systems"), ("labels", "Labels"), ("frequency", "Frequency"), ("strata", "Strata"),
    ("gap", "Head to tail"), ("alerts", "Alerts"), ("classes", "Classes"), ("copying", "Copying"), ("listen", "Listen"), ("audit", "Audit"),
    ("provenance", "Provenance"),
)  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """Everything the page shows of one metric; None where the metric has no such thing."""

    metric: MetricInfo
    frequency: Markup | None
    strata: Markup | None
    strata_table: TableView
    normalised: TableView | None
    bins: TableView | None
    trend: TableView | None
    summary: TableView | None
    paired: Sequence[TableView]
    classes: TableView | None


def render_longtail(
    analysis: LongtailAnalysis,
    output: Path,
    *,
    media: MediaMode = "inline",
    max_players: int = INLINE_PLAYERS,
    jobs: int = 1,
    progress: Progress | None = None,
) -> RenderedReport:
    """Write ``longtail.html``, ``longtail.json``, ``figures/`` and ``tables/`` into ``output``, each file in one step.

    The same analysis and clips give the same bytes.

    Args:
        media: players inside the page, in ``output/media``, or none. Beyond ``INLINE_PLAYERS`` players the rest go to
            ``output/media`` even if "inline".
        max_players: how many players at most; prompts are chosen accordingly.
        jobs: threads that encode audio.
        progress: called with (steps done, steps in all, what was done), from the calling thread.

    Raises:
        ReaudioError: ``output`` cannot be written.
    """
    analysis = replace(analysis, systems=tuple(sorted(analysis.systems, key=lambda s: SYSTEM_KINDS.index(s.kind))))
    copied = copying_section.most_copied(analysis, max_players if media != "none" else 0)
    listening = select(analysis, max_players - n_players(copied) if media != "none" else 0)
    paths = [path for item in (*copied, *listening.chosen) for path in item.paths]
    steps = _Steps(len(analysis.metrics) + len(set(paths)) + 3, progress)
    figures = FigureFiles(analysis.systems, output / "figures")
    counted = None if analysis.labels.empty else Chart(label_histogram_figure(analysis.labels))
    histogram = figures.add("label-histogram", counted, findings.histogram(analysis), legend=False)
    pasted = copying_section.section(analysis, figures, copied)
    panels = []
    for metric in primary_first(analysis):
        panels.append(_panel(analysis, metric, figures, anchors_by_label(listening)))
        steps.advance(f"figures of {metric.title}")
    tables = write_tables(analysis, output / "tables")
    steps.advance("tables")
    atomic_write(output / "longtail.json", analysis_json(analysis))
    steps.advance("JSON")
    clips, files = media_for(paths, output, media, jobs, lambda _: steps.advance("clips"))
    page = _page(analysis, histogram, panels, pasted, listening, clips)
    atomic_write(output / "longtail.html", page.encode())
    steps.advance("page")
    return RenderedReport(
        output / "longtail.html", output / "longtail.json", tuple(figures.written), tuple(tables), tuple(files)
    )


def _panel(
    analysis: LongtailAnalysis, metric: MetricInfo, figures: FigureFiles, listen: Mapping[str, tuple[str, ...]]
) -> Panel:
    name = metric.name
    figures.add(f"trend-{name}", trend_figure(analysis, metric), "", legend=False)
    return Panel(
        metric,
        figures.add(f"frequency-{name}", frequency_figure(analysis, metric), findings.frequency(analysis, metric)),
        figures.add(f"strata-{name}", strata_figure(analysis, metric), findings.strata(analysis, metric)),
        shared_tables.strata_table(analysis, metric),
        shared_tables.normalised_table(analysis, metric),
        shared_tables.bins_table(analysis, metric),
        comparisons.trend_table(analysis, metric),
        comparisons.summary_table(analysis, metric),
        comparisons.paired_tables(analysis, metric),
        shared_tables.class_table(analysis, metric, listen),
    )


def _page(
    analysis: LongtailAnalysis,
    histogram: Markup | None,
    panels: Sequence[Panel],
    pasted: copying_section.CopyingSection,
    listening: Listening,
    clips: Mapping[Path, Media],
) -> str:
    many = sum(s.kind == "generated" for s in analysis.systems) > CROWDED
    content = {
        "analysis": analysis,
        "sentences": verdict.sentences(analysis),
        "losses": comparisons.loss_table(analysis),
        "main": shared_tables.main_table(analysis),
        "sizes": shared_tables.sizes_table(analysis),
        "metrics_table": shared_tables.metrics_table(analysis),
        "tail_shape": findings.tail_shape(analysis),
        "histogram": histogram,
        "panels": panels,
        "many": many,
        "focus": _focus(analysis),
        "copying": pasted,
        "listening": listening,
        "clips": clips,
        "alerts": sorted(analysis.alerts, key=lambda alert: alert.level != "warning"),
        "odd_clips": audit_tables.odd_clips(analysis),
        "audit_table": audit_tables.audit_table(analysis),
        "untrusted": [p for p in analysis.prompts if not p.labels_known],
    }
    return render_page(
        Path(__file__).with_name("longtail.html.j2"),
        name="longtail",
        title=f"Long-tail report: {analysis.dataset_name}/{analysis.split}",
        sections=SECTIONS,
        systems=analysis.systems,
        content=content,
    )


def _focus(analysis: LongtailAnalysis) -> int:
    """Position of the system whose points are shown where showing all would hide them: the leader."""
    if analysis.primary is None:
        return 0
    leader = overall_separation(analysis, analysis.metric(analysis.primary)).leader
    return next((i for i, s in enumerate(analysis.systems) if s.name == leader), 0)
