"""The zero-shot report: one HTML file that needs no network, with its figures, tables and JSON beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reaudio_eval.evaluations.zeroshot import tables as zeroshot_tables
from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis
from reaudio_eval.evaluations.zeroshot.figure import regime_figure
from reaudio_eval.evaluations.zeroshot.verdict import finding, sentences
from reaudio_eval.frames.evaluations import ZEROSHOT_FRAMES
from reaudio_eval.prompts.regimes import RARE, ZERO_SHOT
from reaudio_eval.reports import audit_tables, shared_tables
from reaudio_eval.reports.figure_files import FigureFiles
from reaudio_eval.reports.files import record_json, write_frames
from reaudio_eval.reports.listen import Item, Items, Listening, anchors_by_label, clips_by_system
from reaudio_eval.reports.media import INLINE_PLAYERS, Media, MediaMode, media_for
from reaudio_eval.reports.page import render_page
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.reports.text import count
from reaudio_eval.reports.views import TableView
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.frames import records
from reaudio_model.common.files import atomic_write

SECTIONS = (
    ("verdict", "Verdict"), ("regimes", "Regimes"), ("scores", "Scores"), ("gains", "What retrieval buys"), ("alerts", "Alerts"),
    ("classes", "Classes"), ("listen", "Listen"), ("audit", "Audit"), ("provenance", "Provenance"),
)  # fmt: skip
ROLE_ORDER = tuple(zeroshot_tables.ROLES)
MOST_PROMPTS = 2  # of a class that are played


@dataclass(frozen=True)
class Panel:
    """Everything the page shows of one metric."""

    metric: MetricInfo
    figure: Markup | None
    by_regime: TableView
    paired: TableView | None
    classes: TableView


def render_zeroshot(
    analysis: ZeroshotAnalysis,
    output: Path,
    *,
    media: MediaMode = "inline",
    max_players: int = INLINE_PLAYERS,
    jobs: int = 1,
) -> RenderedReport:
    """Write ``zeroshot.html``, ``zeroshot.json``, and ``figures/zeroshot-*`` and ``tables/zeroshot*`` into ``output``.

    Args:
        media: players inside the page, in ``output/media``, or none.
        max_players: how many players at most.
        jobs: threads that encode audio.

    Raises:
        ReaudioError: ``output`` cannot be written.
    """
    analysis = _in_order(analysis)
    listening = choose_prompts(analysis, max_players if media != "none" else 0)
    figures = FigureFiles(analysis.base.systems, output / "figures")
    panels = [_panel(analysis, m, figures, anchors_by_label(listening)) for m in _primary_first(analysis)]
    frames = {f"zeroshot_{name}": getattr(analysis, name) for name in ZEROSHOT_FRAMES}
    tables = write_frames(frames, _latex_views(analysis, panels), output / "tables")
    atomic_write(output / "zeroshot.json", zeroshot_json_bytes(analysis))
    paths = [path for item in listening.chosen for path in item.paths]
    clips, files = media_for(paths, output, media, jobs, lambda _: None)
    atomic_write(output / "zeroshot.html", _page(analysis, panels, listening, clips).encode())
    return RenderedReport(
        output / "zeroshot.html", output / "zeroshot.json", tuple(figures.written), tuple(tables), tuple(files)
    )


def _in_order(analysis: ZeroshotAnalysis) -> ZeroshotAnalysis:
    """Systems by role; labels with their regime in the place of the stratum, for the players."""
    titles = dict(zip(analysis.regimes["regime"], analysis.regimes["title"], strict=True))
    regime = {r.label: titles[r.regime] for r in records(analysis.classes)}
    labels = analysis.base.labels.assign(stratum=[regime.get(label, "") for label in analysis.base.labels["label"]])
    systems = sorted(analysis.base.systems, key=lambda s: ROLE_ORDER.index(analysis.role(s.name)))
    order = {s.name: i for i, s in enumerate(systems)}
    base = dataclasses.replace(analysis.base, systems=tuple(systems), labels=labels)
    by_role = analysis.systems.sort_values("system", key=lambda names: names.map(order), ignore_index=True)
    return dataclasses.replace(analysis, base=base, systems=by_role)


def _primary_first(analysis: ZeroshotAnalysis) -> list[MetricInfo]:
    return sorted(analysis.metrics, key=lambda m: m != analysis.primary)


def choose_prompts(analysis: ZeroshotAnalysis, max_players: int) -> Listening:
    """Prompts of every zero-shot class, up to ``MOST_PROMPTS`` each, those with the fewest labels first; of the few-shot classes where
    there is no zero-shot class. A prompt is played once."""
    base = analysis.base
    sources = clips_by_system(base)
    playable = [p for p in base.prompts if p.labels_known and any(p.clip_id in clips for clips in sources.values())]
    wanted = _played_classes(analysis)
    each = min(MOST_PROMPTS, max_players // max(1, len(sources) * len(wanted)))
    if not playable or not each:
        return Listening((), len(playable), None)
    build, taken, groups = Items(base, sources), set[str](), []
    for row in wanted:
        own = sorted((p for p in playable if row.label in p.labels and p.clip_id not in taken), key=lambda p: len(p.labels))
        chosen = own[:each]
        taken |= {p.clip_id for p in chosen}
        items: tuple[Item, ...] = tuple(build.item(p.clip_id, "") for p in chosen)
        if items:
            groups.append((_class_title(analysis, row), items))
    return Listening(tuple(groups), len(playable), None)


def _played_classes(analysis: ZeroshotAnalysis) -> list[Any]:
    for names in ({r.name for r in ZERO_SHOT}, {r.name for r in RARE}):
        found = [row for row in records(analysis.classes) if row.regime in names]
        if found:
            return found
    return []


def _class_title(analysis: ZeroshotAnalysis, row: Any) -> str:
    titles = dict(zip(analysis.regimes["regime"], analysis.regimes["title"], strict=True))
    n = row.n_train if row.n_train > 0 else row.n_pool
    size = f" ({count(n, 'training clip' if row.n_train > 0 else 'clip')})" if n > 0 else ""
    return f"{row.name}: {titles[row.regime]}{size}"


def _panel(
    analysis: ZeroshotAnalysis, metric: MetricInfo, figures: FigureFiles, listen: Mapping[str, tuple[str, ...]]
) -> Panel:
    return Panel(
        metric,
        figures.add(f"zeroshot-{metric.name}", regime_figure(analysis, metric), finding(analysis, metric)),
        zeroshot_tables.by_regime_table(analysis, metric),
        zeroshot_tables.paired_table(analysis, metric),
        zeroshot_tables.classes_table(analysis, metric, listen),
    )


def _latex_views(analysis: ZeroshotAnalysis, panels: Sequence[Panel]) -> list[TableView]:
    views = [zeroshot_tables.regimes_table(analysis), zeroshot_tables.systems_table(analysis)]
    return views + [v for p in panels for v in (p.by_regime, p.paired, p.classes) if v is not None]


def zeroshot_json_bytes(analysis: ZeroshotAnalysis) -> bytes:
    """``zeroshot.json``: every frame, the metrics, prompts, alerts and provenance."""
    base = analysis.base
    shared = ("dataset_name", "split", "list_sha256", "banner", "metrics", "prompts", "clip_scores", "provenance", "audit")
    about = {name: getattr(base, name) for name in shared}
    own = {name: getattr(analysis, name) for name in ("few_shot", "every_prompt", *ZEROSHOT_FRAMES, "alerts")}
    primary = analysis.primary
    return record_json(own | about | {"primary": primary.name if primary else None})


def _page(analysis: ZeroshotAnalysis, panels: Sequence[Panel], listening: Listening, clips: Mapping[Path, Media]) -> str:
    base: LongtailAnalysis = analysis.base
    shown = dataclasses.replace(base, metrics=analysis.metrics)
    content = {
        "analysis": analysis,
        "base": base,
        "sentences": sentences(analysis),
        "gains": zeroshot_tables.gains_table(analysis),
        "regimes": zeroshot_tables.regimes_table(analysis),
        "systems": zeroshot_tables.systems_table(analysis),
        "metrics_table": shared_tables.metrics_table(shown),
        "panels": panels,
        "listening": listening,
        "clips": clips,
        "alerts": sorted(analysis.alerts, key=lambda alert: alert.level != "warning"),
        "odd_clips": audit_tables.odd_clips(base),
        "audit_table": audit_tables.audit_table(base),
    }
    return render_page(
        Path(__file__).with_name("zeroshot.html.j2"),
        name="zeroshot",
        title=f"Zero-shot report: {base.dataset_name}/{base.split}",
        sections=SECTIONS,
        systems=base.systems,
        content=content,
    )
