"""Leakage and copying: what retrieval revealed, and near copies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.reports.copying_figures import copying_figure
from reaudio_eval.reports.copying_tables import DIGITS, copy_table, copying_metrics, leak_sentences, leak_tables
from reaudio_eval.reports.listen import REFERENCE, Item, Player, label_tags
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.text import listing, number
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis

SHOWN = 3  # clips of a system that are played
REM_PER_INCH = 7.4  # so that a wide figure fills the page
FRACTION = 5  # at most one of so many players

TEMPLATE = """
<h2>Leakage and copying</h2>
{% for sentence in sentences %}<p>{{ sentence }}</p>{% endfor %}
{% for view in leaks %}{{ table(view) }}{% endfor %}
{% if panels %}
<h3>Similarity to the retrieved clips</h3>
<p class="remark">Cosine of a generated clip with the most similar of the clips retrieved for its prompt, and cosine of the real clip with
the most similar of the same clips. A real recording is no copy. A generated clip that is more similar than the real one (excess above 0)
follows the retrieved clip more closely than its caption requires. An excess below 0 is no sign of copying, and says nothing about
quality. A system without retrieval is the control: it is compared with clips that it did not use.</p>
{% for panel in panels %}
{{ table(panel.table) }}
{% if panel.figure is not none %}<div class="chart" style="max-width:{{ "%.1f"|format(panel.width) }}rem">{{ panel.figure }}</div>
<p class="remark">{{ panel.caption }}</p>{% endif %}
{% endfor %}
{% endif %}
{% for name, items in copied %}
<h3>Most similar to a retrieved clip: {{ name }}</h3>
<p class="remark">The clips with the largest cosine with a retrieved clip, next to that clip and the real clip of the same prompt.</p>
{% for item in items %}{{ prompt_players(item, clips) }}{% endfor %}
{% endfor %}
"""


def content(report: LongtailReport) -> Content:
    """Leaks in words and numbers, a panel for each embedder, and the clips most similar to a retrieved clip."""
    groups: dict[str, list[Item]] = {}
    for item in report.copied:
        groups.setdefault(item.players[0].name, []).append(item)
    return {
        "sentences": leak_sentences(report.analysis),
        "leaks": leak_tables(report.analysis),
        "panels": [_panel(report, metric) for metric in copying_metrics(report.analysis)],
        "copied": list(groups.items()),
        "clips": report.clips,
    }


SECTION = Section(90, "copying", "Copying", TEMPLATE, content)


def _panel(report: LongtailReport, metric: MetricInfo) -> Content:
    """Table and figure of one embedder; ``width`` is the largest of the figure, in rem."""
    analysis = report.analysis
    chart = copying_figure(analysis, metric.embedder)
    limit = next(
        (r.value for r in records(analysis.copying.summary) if r.embedder == metric.embedder and r.quantity == "limit"),
        math.nan,
    )
    return {
        "table": copy_table(analysis, metric),
        "figure": report.figures.add(f"copying-{metric.embedder}", chart, _finding(analysis, metric), legend=False),
        "caption": _caption(limit),
        "width": REM_PER_INCH * chart.figure.get_figwidth() if chart else 0.0,
    }


def _caption(limit: float) -> str:
    dashed = " Dashed: the threshold of near copies." if math.isfinite(limit) else ""
    return (
        "Each point is a prompt. On the line the generated clip is as similar to a retrieved clip as the real clip is; above it, more "
        f"similar.{dashed}"
    )


def _finding(analysis: LongtailAnalysis, metric: MetricInfo) -> str:
    rows = lookup(analysis.copying.summary, "system", "embedder", "quantity")
    excesses = []
    for system in analysis.systems:
        row = rows.get((system.name, metric.embedder, "excess"))
        if system.kind == "generated" and row is not None and math.isfinite(row.value):
            excesses.append(f"{system.name} {number(row.value, DIGITS, sign=True)}")
    return f"Similarity of generated and real clips to the retrieved clips; mean excess of the generated clips: {listing(excesses)}."


def most_copied(analysis: LongtailAnalysis, max_players: int) -> list[Item]:
    """The clips of each retrieving system that are most similar to a retrieved clip, next to that clip and the real one.

    Clips that are a retrieved file themselves are left out. At most one player in ``FRACTION`` goes to them.
    """
    metrics = copying_metrics(analysis)
    if not metrics:
        return []
    copies = analysis.copying.copies
    copies = copies[copies["embedder"] == metrics[0].embedder]
    builder, kept = _CopiedItems(analysis, metrics[0]), list[Item]()
    for position, system in enumerate(analysis.systems):
        if system.retrieval is None:
            continue
        rows = copies[copies["system"] == system.name].sort_values(["similarity", "clip_id"], ascending=[False, True])
        items = (item for row in records(rows) if (item := builder.item(position, row)) is not None)
        for item in islice(items, SHOWN):
            if sum(len(other.paths) for other in (*kept, item)) <= max_players // FRACTION:
                kept.append(item)
    return kept


class _CopiedItems:
    """Builds items from rows of ``copies``."""

    def __init__(self, analysis: LongtailAnalysis, metric: MetricInfo) -> None:
        self.analysis = analysis
        self.metric = metric
        self.prompts = {p.clip_id: (i, p) for i, p in enumerate(analysis.prompts)}
        self.tags = label_tags(analysis)
        real = next((i for i, s in enumerate(analysis.systems) if s.kind == "real" and s.clips), None)
        self.real = real
        self.real_name = REFERENCE if real is None else analysis.systems[real].name
        self.real_clips: Mapping[str, Path] = analysis.references if real is None else analysis.systems[real].clips

    def item(self, position: int, row: Any) -> Item | None:
        """The clip of a row of ``copies``, its neighbour, the real clip; None where one cannot be shown, or they are one file."""
        system = self.analysis.systems[position]
        assert system.retrieval is not None
        pairs = (n.pair for n in system.retrieval.neighbours.get(row.clip_id, ()) if n.pair.clip_id == row.neighbour_id)
        pair, clip = next(pairs, None), system.clips.get(row.clip_id)
        if pair is None or pair.audio is None or clip is None or clip == pair.audio or row.clip_id not in self.prompts:
            return None
        place, prompt = self.prompts[row.clip_id]
        players = [
            Player(system.name, position, clip, (("cosine with the retrieved clip", number(row.similarity, DIGITS)),)),
            Player(f"retrieved: {pair.caption}", None, pair.audio, ()),
        ]
        if row.clip_id in self.real_clips:
            real = (("cosine with the most similar", number(row.real_similarity, DIGITS)),)
            players.append(Player(self.real_name, self.real, self.real_clips[row.clip_id], real))
        reason = f"{self.metric.title}: {number(row.excess, DIGITS, sign=True)}"
        return Item(f"copy-{position}-{place}", prompt, self.tags(prompt), tuple(players), reason)
