"""What the sections of a report share, and writing the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from reaudio_eval.clips.system import ROLES, SystemInfo
from reaudio_eval.reports.figure_files import FigureFiles
from reaudio_eval.reports.listen import Item, Listening
from reaudio_eval.reports.media import Media, MediaMode, media_for
from reaudio_eval.reports.page import PageHead, render_page
from reaudio_eval.reports.rendered import Progress, RenderedReport, Steps
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.views import primary_first
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis
from reaudio_model.common.files import atomic_write

R = TypeVar("R")


@dataclass(frozen=True)
class Players:
    """What is played, and how it is encoded.

    Attributes:
        items: prompts, in the order of the page.
        media: players inside the page, in ``output/media``, or none.
        jobs: threads that encode.
        progress: called with (steps done, steps in all, what was done), from the calling thread.
    """

    items: Sequence[Item] = ()
    media: MediaMode = "none"
    jobs: int = 1
    progress: Progress | None = None


@dataclass(frozen=True)
class Report:
    """What any section may show.

    Attributes:
        analysis: of all systems, in the order of the page.
        figures: draws into the page and into files.
        listening: prompts that are played.
        clips: file -> its player.
    """

    analysis: LongtailAnalysis
    figures: FigureFiles
    listening: Listening
    clips: Mapping[Path, Media]

    @property
    def alerts(self) -> list[Alert]:
        """Warnings before notes."""
        return sorted(self.analysis.alerts, key=lambda alert: alert.level != "warning")

    def by_metric(self, content: Callable[[MetricInfo], Content]) -> list[tuple[MetricInfo, Content]]:
        """Each metric with what a section shows of it, the primary one first; ``position`` is its place in the analysis."""
        place = self.analysis.metrics.index
        return [(m, {"position": place(m), **content(m)}) for m in primary_first(self.analysis)]


def by_role(systems: Iterable[SystemInfo]) -> tuple[SystemInfo, ...]:
    """Systems, controls, copies, oracles, real audio, noise."""
    return tuple(sorted(systems, key=lambda system: ROLES.index(system.role)))


def write_report(
    head: PageHead,
    sections: Sequence[Section[R]],
    report: Callable[[FigureFiles, Mapping[Path, Media]], R],
    output: Path,
    *,
    record: bytes,
    tables: Sequence[Path],
    players: Players | None = None,
) -> RenderedReport:
    """Write ``<name>.html``, ``<name>.json``, ``figures/`` and the players' media into ``output``, each file in one step.

    Args:
        head: what stands above the sections.
        sections: in order.
        report: figures, players -> what the sections draw from.
        output: folder.
        record: the JSON.
        tables: files already written.
        players: what is played; None: nothing.

    Raises:
        ReaudioError: ``output`` cannot be written.
    """
    players = players or Players()
    paths = list(dict.fromkeys(path for item in players.items for path in item.paths))
    steps = Steps(len(sections) + len(paths) + 1, players.progress)
    clips, media = media_for(paths, output, players.media, players.jobs, lambda _: steps.advance("clips"))
    figures = FigureFiles(head.systems, output / "figures")
    page = render_page(head, sections, report(figures, clips), steps.advance)
    html, json = (output / f"{head.name}.{kind}" for kind in ("html", "json"))
    atomic_write(json, record)
    atomic_write(html, page.encode())
    steps.advance("page")
    return RenderedReport(html, json, tuple(figures.written), tuple(tables), tuple(media))
