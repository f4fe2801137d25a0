"""Self-contained HTML pages made of sections."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from markupsafe import Markup

from reaudio_eval import __version__
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.reports.files import file_stem
from reaudio_eval.reports.palette import css_variables, dash_lengths, marker_path, system_styles
from reaudio_eval.reports.section import Section
from reaudio_eval.reports.text import count, strata_words
from reaudio_eval.reports.views import primary_first
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis, not_computed_line

R = TypeVar("R")
MACROS = '{% from "macros.html.j2" import each_metric, legend, listening_groups, prompt_players, swatch, table, tree %}'


@dataclass(frozen=True)
class PageHead:
    """What stands above the sections.

    Attributes:
        name: stem of the page and of the JSON beside it.
        title: of the window.
        heading: of the page.
        facts: what was evaluated, in a few words each.
        systems: in the order of colours and markers; position i is ``data-s="i"`` in figures, tables and players.
        metrics: the reader chooses one of them for all sections.
        banner: a warning above everything, or "".
        not_computed: a line on the metrics without a value, or "".
    """

    name: str
    title: str
    heading: str
    facts: Sequence[str]
    systems: Sequence[SystemInfo]
    metrics: Sequence[MetricInfo] = ()
    banner: str = ""
    not_computed: str = ""


def analysis_head(
    analysis: LongtailAnalysis, name: str, heading: str, *facts: str, strata: bool = True, which: str = ""
) -> PageHead:
    """The head of a page on a dataset: its name, its prompts (``which`` of them), ``facts``, its strata."""
    digest = Markup('<code title="SHA-256 of the sorted list of clip ids and captions">{}</code>')
    words = filter(None, (count(len(analysis.prompts), "prompt"), which, digest.format(analysis.list_sha256[:10])))
    dataset = f"{analysis.dataset_name}/{analysis.split}"
    every = [dataset, Markup(" ").join(words), *facts]
    if strata:
        every.append(strata_words(analysis.strata))
    return PageHead(
        name,
        f"{heading}: {dataset}",
        heading,
        every,
        analysis.systems,
        primary_first(analysis),
        analysis.banner,
        not_computed_line(analysis.not_computed),
    )


def render_page(
    head: PageHead, sections: Sequence[Section[R]], report: R, done: Callable[[str], None] = lambda title: None
) -> str:
    """The page as HTML. Everything it shows is escaped unless it is ``Markup``.

    Args:
        head: what stands above the sections.
        sections: in order; at least one with content.
        report: what the sections draw from.
        done: called with the title of each section that is finished.
    """
    environment = page_environment()
    environment.filters |= {"kind": _kind, "slug": file_stem, "marker_path": marker_path, "dashes": dash_lengths}
    environment.globals["version"] = __version__
    shown = []
    for section in sections:
        content = section.content(report)
        if content is not None:
            shown.append((section, Markup(environment.from_string(MACROS + section.template).render(content))))  # noqa: S704
        done(section.title)
    script = own_text(environment, "report.js")
    return environment.get_template("base.html.j2").render(
        head=head,
        sections=shown,
        css=own_text(environment, "report.css"),
        variables=Markup(css_variables()),  # noqa: S704 - the palette
        script=script,
        policy=policy(script),
        styles=system_styles(head.systems),
    )


def page_environment(*folders: Path) -> Environment:
    """Templates in ``folders`` and the shared ones; everything that a page shows is escaped."""
    return Environment(
        loader=ChoiceLoader([*map(FileSystemLoader, folders), PackageLoader("reaudio_eval.reports")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def own_text(environment: Environment, name: str) -> Markup:
    """A file of the package that goes into the page as it is."""
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])  # noqa: S704 - not user text


def policy(script: str) -> str:
    """Content security policy: this script, inline styles, embedded or neighbouring media, and no network at all."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: file: 'self'; "
        "media-src data: file: 'self'; base-uri 'none'; form-action 'none'"
    )


def _kind(value: Any) -> str:
    """How the page shows a value of the provenance: "mapping", "list" or "scalar"."""
    if isinstance(value, Mapping):
        return "mapping"
    return "list" if isinstance(value, (list, tuple)) else "scalar"
