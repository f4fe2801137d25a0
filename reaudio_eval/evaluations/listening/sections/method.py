"""Method of the analysis, and provenance of the test."""

from __future__ import annotations

from reaudio_eval.evaluations.listening.report import ListeningReport
from reaudio_eval.evaluations.listening.verdict import provenance
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Method</h2>
<ul>
<li>The value of a system is the mean over prompts of its clip means, so that every prompt has the same weight. Of repeated items the first
answer is used.{% if pairs %} “No difference” counts half for each side.{% endif %}</li>
<li>Intervals cover other participants and other prompts: a bootstrap over prompts (Student's t below 10), widened by the standard error
clustered by participants and by prompts (Cameron, Gelbach and Miller 2011).</li>
<li>p-values: the larger of a sign-flip test over prompts and the t test with that standard error; Holm's correction over all pairs and
strata of a question.</li>
{% if pairs %}<li>Bradley-Terry scores: maximum a posteriori with a weak prior; intervals by resampling participants and prompts (pigeonhole
bootstrap, Owen 2007).</li>{% endif %}
<li>Correlations: over generated systems only. Intervals over clips resample prompts and keep the participants; over systems both are
resampled. Set metrics are computed on all clips of the run, not only on those of this test.</li>
</ul>
{{ tree(provenance) }}
"""


def content(report: ListeningReport) -> Content:
    """How the numbers were computed, and what was asked."""
    return {"pairs": report.analysis.key.design == "pairs", "provenance": provenance(report.analysis)}


SECTION = Section(70, "method", "Method", TEMPLATE, content)
