"""Pages rendered and parsed, and text that a page must escape."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path

from reaudio_eval.evaluations.longtail.page import render_longtail
from reaudio_eval.reports.rendered import RenderedReport
from reaudio_eval.statistics.analysis import LongtailAnalysis

HOSTILE = """<script>alert('x')</script> "quoted" & 'single' 🐕 مرحبا {{ 7 * 7 }} $x_1$"""
VOID = {"meta", "link", "img", "input", "br", "path", "use", "circle"}


class Page(HTMLParser):
    """Elements with their attributes, and a check that what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag: str) -> Iterator[dict[str, str]]:
        return (attributes for name, attributes in self.elements if name == tag)

    @cached_property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def render(analysis: LongtailAnalysis, folder: Path, **options: object) -> tuple[RenderedReport, Page]:
    report = render_longtail(analysis, folder, **options)  # type: ignore[arg-type]
    assert report.html is not None
    return report, Page(report.html.read_text(encoding="utf-8"))
