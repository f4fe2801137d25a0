"""Results of the listening test: the forms written, and the analysis of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.evaluations.base import Json, Result
from reaudio_eval.evaluations.listening.analysis import ListeningAnalysis
from reaudio_eval.evaluations.listening.page import FRAMES, render_listening
from reaudio_eval.evaluations.listening.records import Key
from reaudio_eval.evaluations.listening.tables import value_digits, value_name
from reaudio_eval.evaluations.listening.verdict import sentences
from reaudio_eval.reports.files import record_json
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.reports.terminal import table_text
from reaudio_eval.reports.text import count, listing
from reaudio_eval.statistics.rows import ALL
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True, repr=False)
class ListeningTest(Result):
    """A listening test that was written.

    Attributes:
        key: file that stays with the experimenter.
        forms: participant pages.
        contents: of the key.
        design: the test in numbers, as ``--dry-run`` prints it.
        notes: about prompts, levels and checks.
    """

    key: Path
    forms: tuple[Path, ...]
    contents: Key
    design: Json
    notes: tuple[str, ...]

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        prompts = [{"clip_id": p.clip_id, "caption": p.caption, "stratum": p.stratum} for p in self.contents.prompts]
        return {"prompts": pd.DataFrame(prompts)}

    def summary(self) -> Json:
        files = {"key": str(self.key), "forms": [str(path) for path in self.forms]}
        return self.design | {"notes": list(self.notes)} | files

    def table_text(self) -> str:
        """The test in a few lines, and what to do with its files."""
        key, design = self.contents, self.design
        strata = listing([f"{n} {key.title(name)}" for name, n in design["prompts"].items()])
        extra = listing([count(n, kind) for kind, n in design["items_by_role"].items() if kind != "rating"])
        lines = [
            f"Listening test {key.test_id}: {count(len(key.prompts), 'prompt')} ({strata}), {count(len(key.systems), 'system')} "
            f"({', '.join(s.name for s in key.systems)}).",
            f"{count(len(key.forms), 'form')} of {count(design['items_per_form'], 'item')}"
            + (f", of which {extra}" if extra else "")
            + f"; about {count(design['minutes_per_form'], 'minute')} each.",
            *(f"Note: {note}" for note in self.notes),
            f"Give to participants: {self.forms[0].parent}/",
            f"Keep to yourself: {self.key}",
        ]
        return "\n".join(lines)

    def render(self, output: Path, reporter: Reporter) -> None:
        """The forms are the pages."""


@dataclass(frozen=True, repr=False)
class ListeningResult(Result):
    """Analysis of the answers to a listening test.

    Attributes:
        analysis: all numbers, as DataFrames.
    """

    analysis: ListeningAnalysis

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        return {name: getattr(self.analysis, name) for name in FRAMES}

    @property
    def verdict(self) -> Sequence[str]:
        return list(sentences(self.analysis))

    def summary(self) -> Json:
        """Numbers over all prompts, metrics, exclusions."""
        analysis = self.analysis
        whole = {name: getattr(analysis, name) for name in ("means", "paired")}
        parts = {name: f[f["stratum"] == ALL].drop(columns="stratum") for name, f in whole.items()}
        fields = parts | {name: getattr(analysis, name) for name in ("strength", "agreement", "metrics")}
        excluded = analysis.participants[analysis.participants["excluded"] != ""]
        return {
            "test_id": analysis.key.test_id,
            "n_participants": analysis.n_kept,
            "excluded": dict(zip(excluded["participant"], excluded["excluded"], strict=True)),
            **json.loads(record_json(fields)),
            "notes": list(analysis.notes),
        }

    def table_text(self) -> str:
        """The means of the systems, and the notes."""
        analysis = self.analysis
        frame = analysis.means[analysis.means["stratum"] == ALL]
        table = frame.pivot_table(index="system", columns="question", values="value", sort=False)
        name = value_name(analysis)
        parts = [f"{name[0].upper()}{name[1:]}:", table_text(table, value_digits(analysis))]
        return "\n\n".join([*parts, *(f"Note: {note}" for note in analysis.notes)])

    def render(self, output: Path, reporter: Reporter) -> RenderedReport:
        with reporter.stage("Rendering", 1) as advance:
            report = render_listening(self.analysis, output)
            advance(1)
        return report
