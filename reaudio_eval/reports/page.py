"""A page of any report: one self-contained HTML text from a template that extends ``base.html.j2``."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from markupsafe import Markup

from reaudio_eval import __version__
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.reports.files import file_stem
from reaudio_eval.reports.palette import css_variables, dash_lengths, marker_path, system_styles

Sections = Sequence[tuple[str, str]]


def render_page(
    template: Path, *, name: str, title: str, sections: Sections, systems: Sequence[SystemInfo], content: Mapping[str, Any]
) -> str:
    """The page as HTML. All of ``content`` is escaped unless it is ``Markup``.

    Args:
        template: file that extends ``base.html.j2`` and fills its block "main"; it lies with its evaluation.
        name: stem of the files beside the page, named in its footer.
        title: of the window.
        sections: (id, title) of each section, for the navigation; at least one.
        systems: in the order of colours and markers; position i is ``data-s="i"`` in figures, tables and players.
        content: what the template shows.
    """
    environment = page_environment(template.parent)
    environment.filters |= {"kind": _kind, "slug": file_stem, "marker_path": marker_path, "dashes": dash_lengths}
    script = own_text(environment, "report.js")
    return environment.get_template(template.name).render(
        name=name,
        title=title,
        sections=sections,
        version=__version__,
        css=own_text(environment, "report.css"),
        variables=Markup(css_variables()),  # noqa: S704 - the palette
        script=script,
        policy=policy(script),
        styles=system_styles(systems),
        **content,
    )


def page_environment(folder: Path) -> Environment:
    """Templates in ``folder`` and the shared ones; all that a page shows is escaped."""
    return Environment(
        loader=ChoiceLoader([FileSystemLoader(folder), PackageLoader("reaudio_eval.reports")]),
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
