"""Prompts with the largest gains and losses of each system."""

from __future__ import annotations

from reaudio_eval.evaluations.compare.report import CompareReport
from reaudio_eval.evaluations.compare.tables import position
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Listen</h2>
{% for place, system, listening in pairs %}
<details class="pair-details"{% if loop.first %} open{% endif %}>
<summary>{{ swatch(place) }}{{ system }} against {{ baseline }}</summary>
<p class="remark">{{ listening.chosen|length }} of {{ listening.total }} prompts
{%- if listening.metric %}; gains and losses by the {{ listening.metric.title }} of each clip{% endif %}. Levels are not normalised.</p>
{{ listening_groups(listening, clips) }}
</details>
{% else %}<p class="empty">This page holds no clips to listen to.</p>{% endfor %}
"""


def content(report: CompareReport) -> Content:
    """Each compared system next to the baseline."""
    pairs = [(position(report.comparison, system), system, each) for system, each in report.pairs.items()]
    return {"pairs": pairs, "baseline": report.comparison.baseline, "clips": report.clips}


SECTION = Section(70, "listen", "Listen", TEMPLATE, content)
