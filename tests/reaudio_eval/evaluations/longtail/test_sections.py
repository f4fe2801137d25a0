"""A section of the long-tail report is one file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import render

from reaudio_eval.evaluations.longtail import sections
from reaudio_eval.reports.section import find_sections
from reaudio_eval.statistics.analysis import LongtailAnalysis

TOY = '''
"""Longest caption."""

from reaudio_eval.evaluations.longtail.report import LongtailReport
from reaudio_eval.reports.section import Section

TEMPLATE = """
<h2>Longest caption</h2>
<p>{{ caption }}</p>
{% call(metric, shown) each_metric(panels) %}<p>{{ metric.title }}: {{ shown.n }} values</p>{% endcall %}
"""


def content(report: LongtailReport):
    scores = report.analysis.clip_scores
    return {
        "caption": "<b>" + max((p.caption for p in report.analysis.prompts), key=len),
        "panels": report.by_metric(lambda metric: {"n": int((scores["metric"] == metric.name).sum())}),
    }


LONGEST = Section(25, "longest", "Longest caption", TEMPLATE, content)
ABSENT = Section(26, "absent", "Absent", "", lambda report: None)
'''


@pytest.mark.usefixtures("without_figures")
def test_one_file_adds_a_section(small: LongtailAnalysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy_longest.py").write_text(TOY, encoding="utf-8")
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    page = render(small, tmp_path / "report", media="none")[1]
    ids = [a["id"] for a in page.all("section")]
    assert ids[:4] == ["verdict", "systems", "longest", "labels"]
    assert "absent" not in ids
    assert "#longest" in {a["href"] for a in page.all("a")}
    longest = max((p.caption for p in small.prompts), key=len)
    assert f"<b>{longest}" in page.text
    assert f"{small.metrics[0].title}: " in page.text


@pytest.mark.parametrize("kind", ["longtail", "zeroshot", "sweep", "compare", "listening"])
def test_anchors_are_unique_and_places_ordered(kind: str) -> None:
    found = find_sections(f"reaudio_eval.evaluations.{kind}.sections")
    assert len({section.id for section in found}) == len(found)
    assert [section.place for section in found] == sorted({section.place for section in found})
