"""Participants and exclusions."""

from __future__ import annotations

from reaudio_eval.evaluations.listening.report import ListeningReport
from reaudio_eval.evaluations.listening.screening import MIN_ANSWERED
from reaudio_eval.evaluations.listening.tables import participants_table
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Participants</h2>
{{ table(participants, tall=true) }}
<p class="remark">
{% if analysis.keep_all %}
No participant is excluded (--keep-all).
{% else %}
Excluded: participants who answered less than {{ min_answered }} of their forms, failed more than {{ analysis.max_failed }} attention
check{{ "s" if analysis.max_failed != 1 }}, or gave the same answer to every item.
{% endif %}
A check is failed when noise, or a clip of another prompt, is
{% if analysis.key.design == "mos" %}rated above the middle of the scale{% else %}not rejected{% endif %}.</p>
"""


def content(report: ListeningReport) -> Content:
    """A row for each participant, and the rules of exclusion."""
    table = participants_table(report.analysis)
    return {"participants": table, "analysis": report.analysis, "min_answered": f"{MIN_ANSWERED:.0%}"}


SECTION = Section(60, "participants", "Participants", TEMPLATE, content)
