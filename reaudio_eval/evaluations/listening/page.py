"""Listening report: page, figures, tables and JSON."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from markupsafe import Markup

from reaudio_eval.evaluations.listening import tables
from reaudio_eval.evaluations.listening.analysis import ListeningAnalysis
from reaudio_eval.evaluations.listening.records import QUESTIONS
from reaudio_eval.evaluations.listening.report import ListeningReport, strata_of
from reaudio_eval.evaluations.listening.verdict import provenance
from reaudio_eval.reports.files import SCHEMA_VERSION, record_json, write_tables
from reaudio_eval.reports.page import PageHead
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.reports.report import write_report
from reaudio_eval.reports.section import find_sections
from reaudio_eval.reports.views import TableView

FRAMES = ("means", "paired", "strength", "agreement", "metrics", "clips", "participants")


def render_listening(analysis: ListeningAnalysis, output: Path) -> RenderedReport:
    """Write ``listening.html``, ``listening.json``, ``tables/`` (CSV, LaTeX) and ``figures/`` into ``output``.

    Raises:
        ReaudioError: ``output`` cannot be written.
    """
    systems, key = tables.system_infos(analysis), analysis.key
    frames = {name: getattr(analysis, name) for name in FRAMES}
    written = write_tables(frames, _latex_views(analysis), output / "tables")
    head = PageHead(
        "listening",
        f"Listening test {key.test_id}",
        "Listening test",
        (
            f"{key.dataset['name']}/{key.dataset['split']}",
            Markup("test <code>{}</code>").format(key.test_id),
            "ratings" if key.design == "mos" else "pairs",
            f"{analysis.n_kept} of {len(analysis.participants)} participants",
        ),
        systems,
    )
    return write_report(
        head,
        find_sections("reaudio_eval.evaluations.listening.sections"),
        lambda figures, _: ListeningReport(analysis, figures),
        output,
        record=listening_json(analysis),
        tables=written,
    )


def _latex_views(analysis: ListeningAnalysis) -> list[TableView | None]:
    strata = strata_of(analysis)
    return [
        *(tables.means_table(analysis, stratum) for stratum in strata),
        tables.strength_table(analysis),
        tables.agreement_table(analysis),
        tables.metrics_table(analysis),
        tables.metrics_table(analysis, kendall=True),
        *(tables.paired_table(analysis, question, stratum) for question in QUESTIONS for stratum in strata),
    ]


def listening_json(analysis: ListeningAnalysis) -> bytes:
    """Every number; what the key says of forms and clips stays in the key."""
    fields = {f.name: getattr(analysis, f.name) for f in dataclasses.fields(analysis) if f.name != "key"}
    return record_json({"schema_version": SCHEMA_VERSION, "test": provenance(analysis), **fields})
