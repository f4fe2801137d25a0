"""Agreement of listeners."""

from __future__ import annotations

from reaudio_eval.evaluations.listening.report import ListeningReport
from reaudio_eval.evaluations.listening.tables import agreement_table
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Agreement of listeners</h2>
{{ table(agreement, sortable=false) }}
<p class="remark">Krippendorff's α for interval data: 1 is perfect agreement, 0 is chance level. Reliability: the rank correlation of clip
means of two random halves of the participants, extrapolated to all of them (Spearman-Brown).</p>
"""


def content(report: ListeningReport) -> Content:
    """Agreement between and within listeners."""
    return {"agreement": agreement_table(report.analysis)}


SECTION = Section(50, "agreement", "Agreement", TEMPLATE, content)
