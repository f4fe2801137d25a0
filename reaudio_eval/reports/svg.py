"""Figures as files, and as SVG inside a page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from reaudio_eval.reports.palette import css_colour
from reaudio_model.common.files import atomic_write

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
# Dates and versions would make two reports of the same numbers differ.
_METADATA: Mapping[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "png": {"Software": None},
}
_FONT = re.compile(r"font(?:-size)?: ([\d.]+px)[^;]*(?:; font-family:[^;]*)?")
_GROUP = re.compile(r"([a-z]+)-(\d+)")


def figure_bytes(figure: Figure, kind: str, salt: str) -> bytes:
    """The figure as "svg", "pdf" or "png" (200 dpi): the same bytes for the same figure. ``salt`` keeps the ids of two SVGs
    in one page apart."""
    buffer = io.BytesIO()
    rc: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": salt, "pdf.fonttype": 42}
    with mpl.rc_context(rc), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # SVG keeps the text; PDF and PNG show a box
        figure.savefig(buffer, format=kind, dpi=200 if kind == "png" else "figure", metadata=_METADATA[kind])
    return buffer.getvalue()


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem`` as .svg, .pdf and .png; the paths written."""
    paths = []
    for kind in _METADATA:
        target = stem.with_name(f"{stem.name}.{kind}")
        atomic_write(target, figure_bytes(figure, kind, stem.name))
        paths.append(target)
    return paths


def inline(figure: Figure, name: str, finding: str, points: Mapping[str, Sequence[int]] | None = None) -> Markup:
    """The figure as an ``<svg>`` element for the page.

    Colours become CSS variables, fonts the page's; groups drawn with the gid ``kind-i`` become ``class="kind" data-s="i"``.

    Args:
        name: unique in the page.
        finding: one sentence that states what the figure shows; its accessible title.
        points: gid -> class number of each point of that group, written as ``data-c``.
    """
    root = ET.fromstring(figure_bytes(figure, "svg", name))  # noqa: S314 - written by matplotlib a moment ago
    for tag in ("metadata", "defs"):  # the first defs holds only a global style
        child = root.find(_SVG + tag)
        if child is not None:
            root.remove(child)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    for gid, numbers in (points or {}).items():
        _tag_points(root, gid, numbers)
    referenced = set(re.findall(r"#([\w-]+)", " ".join(v for el in root.iter() for v in el.attrib.values())))
    for element in root.iter():
        _for_page(element, referenced)
    root.attrib.update({"role": "img", "aria-labelledby": f"{name}-title", "class": "figure"})
    title = ET.Element("title", {"id": f"{name}-title"})
    title.text = finding
    root.insert(0, title)
    return Markup(css_colour(ET.tostring(root, encoding="unicode")))  # noqa: S704 - serialised by ElementTree, which escapes


def name_points(svg: bytes, names: Mapping[str, Sequence[str]]) -> bytes:
    """An SVG file of :func:`figure_bytes` in which a browser shows the name of each point under the pointer.

    Args:
        svg: the file.
        names: gid -> the name of each point of that group.
    """
    root = ET.fromstring(svg)  # noqa: S314 - written by matplotlib a moment ago
    for gid, texts in names.items():
        group = root.find(f".//*[@id='{gid}']")
        points = [] if group is None else group.iter(_SVG + "use")
        for use, text in zip(points, texts, strict=True):
            ET.SubElement(use, _SVG + "title").text = text
    ET.register_namespace("", _SVG[1:-1])
    ET.register_namespace("xlink", _HREF[1:].partition("}")[0])
    named: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return named


def _tag_points(root: ET.Element, gid: str, numbers: Sequence[int]) -> None:
    group = root.find(f".//*[@id='{gid}']")
    if group is None:
        return
    for use, number in zip(group.iter(_SVG + "use"), numbers, strict=True):
        use.attrib.pop("style", None)  # the group's CSS class says it once for all points
        use.set("data-c", str(number))


def _for_page(element: ET.Element, referenced: set[str]) -> None:
    element.tag = element.tag.removeprefix(_SVG)
    element.text = (element.text or "").strip()
    element.tail = None
    attributes = element.attrib
    if _HREF in attributes:
        attributes["href"] = attributes.pop(_HREF)
    group = _GROUP.fullmatch(attributes.get("id", ""))
    if group:
        attributes.update({"class": group[1], "data-s": group[2]})
    if attributes.get("id") not in referenced:
        attributes.pop("id", None)
    if "style" in attributes:
        attributes["style"] = _FONT.sub(r"font-size: \1", attributes["style"])
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    for coordinate in {"x", "y"} & attributes.keys():
        attributes[coordinate] = f"{float(attributes[coordinate]):.2f}"
