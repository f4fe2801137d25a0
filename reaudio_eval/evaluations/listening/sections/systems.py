"""Mean ratings (or preferences) of each system."""

from __future__ import annotations

from reaudio_eval.evaluations.listening.figures import means_figure, means_finding
from reaudio_eval.evaluations.listening.report import ListeningReport, strata_of
from reaudio_eval.evaluations.listening.tables import means_table, strength_table
from reaudio_eval.reports.section import Content, Section

TEMPLATE = """
<h2>Systems</h2>
{{ table(means) }}
{{ legend(systems) }}
{% if figure is not none %}<div class="chart mid">{{ figure }}</div>{% endif %}
{% for view in by_stratum %}<details><summary>{{ view.caption }}</summary>{{ table(view) }}</details>{% endfor %}
{% if strength is not none %}<h3>Preference strength</h3>{{ table(strength) }}{% endif %}
"""


def content(report: ListeningReport) -> Content:
    """Means over all prompts and by stratum, and Bradley-Terry scores of pairs."""
    analysis = report.analysis
    return {
        "means": means_table(analysis),
        "systems": analysis.key.systems,
        "figure": report.figures.add("listening-means", means_figure(analysis), means_finding(analysis)),
        "by_stratum": [means_table(analysis, stratum) for stratum in strata_of(analysis)[1:]],
        "strength": strength_table(analysis),
    }


SECTION = Section(20, "systems", "Systems", TEMPLATE, content)
