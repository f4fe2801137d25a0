"""Sections that several pages have."""

from __future__ import annotations

from collections.abc import Callable

from reaudio_eval.reports.audit_tables import audit_table, odd_clips
from reaudio_eval.reports.report import Report
from reaudio_eval.reports.section import Content, Section
from reaudio_eval.reports.shared_tables import metrics_table
from reaudio_eval.reports.views import TableView
from reaudio_eval.scores.system_scores import MetricInfo

ALERTS = """
<h2>Alerts</h2>
{% if alerts %}<ul class="alerts">
{% for alert in alerts %}
<li class="is-{{ alert.level }}"><b>{{ alert.level|capitalize }}</b><span>{{ alert.message }}</span></li>
{% endfor %}
</ul>{% else %}<p class="empty">No warnings.</p>{% endif %}
"""

CLASSES = """
<h2>Classes</h2>
<p class="filter js"><label for="filter">Filter</label>
<input id="filter" type="search" placeholder="class or {{ group }}" autocomplete="off"> <output for="filter" id="matches"></output></p>
{% call(metric, shown) each_metric(panels) %}
{% if shown.table is not none %}{{ table(shown.table, tall=true, css="classes") }}
{% else %}<p class="empty">{{ metric.title }} has no value per class.</p>{% endif %}
{% endcall %}
"""

LISTEN = """
<h2>Listen</h2>
{% if listening.groups %}
<p class="remark">{{ listening.chosen|length }} of {{ listening.total }} prompts{{ order }}. Levels are not normalised.</p>
{{ listening_groups(listening, clips) }}
{% else %}<p class="empty">This report holds no clips to listen to.</p>{% endif %}
"""

AUDIT = """
<h2>Audit</h2>
{% if summary is not none %}{{ table(summary) }}
{% elif audit %}{{ tree(audit) }}
{% else %}<p class="empty">The files were not audited.</p>{% endif %}
{% if odd %}
<details{% if odd|length <= 20 %} open{% endif %}><summary>{{ odd|length }} clip{{ "s" if odd|length != 1 }} with an anomaly</summary>
<div class="scroll tall" role="region" aria-label="Clips with an anomaly" tabindex="0"><table>
<caption class="sr">Clips with an anomaly</caption>
<thead><tr>{% for head in ("system", "clip", "anomaly") %}<th scope="col" class="text">{{ head }}</th>{% endfor %}</tr></thead>
<tbody>
{% for system, clip, what in odd %}
<tr><th scope="row">{{ system }}</th><td class="text"><code>{{ clip }}</code></td><td class="text">{{ what }}</td></tr>
{% endfor %}
</tbody></table></div></details>
{% endif %}
{% if untrusted %}
<details><summary>{{ untrusted|length }} prompt{{ "s" if untrusted|length != 1 }} with ambiguous labels, counted in the overall
numbers only</summary><ul>{% for p in untrusted %}<li><code>{{ p.clip_id }}</code> {{ p.caption }}</li>{% endfor %}</ul></details>
{% endif %}
"""

PROVENANCE = """
<h2>Provenance</h2>
{% if metrics is not none %}{{ table(metrics, sortable=false) }}{% endif %}
{% set described = analysis.systems|selectattr("description")|list %}
{% if described %}<dl class="tree systems">
{% for s in described %}<dt>{{ s.name }}</dt><dd>{{ s.description }}</dd>{% endfor %}
</dl>{% endif %}
{% if sampled %}<h3>Sampling</h3>
{{ tree(sampled) }}{% endif %}
{{ tree({"dataset": analysis.dataset_name, "split": analysis.split, "list sha256": analysis.list_sha256}) }}
{% if analysis.provenance %}{{ tree(analysis.provenance) }}{% endif %}
"""


def alerts_section(place: int) -> Section[Report]:
    """Warnings, then notes."""
    return Section(place, "alerts", "Alerts", ALERTS, lambda report: {"alerts": report.alerts})


def classes_content(report: Report, table: Callable[[MetricInfo], TableView | None], group: str = "stratum") -> Content:
    """Variables of ``CLASSES``: for each metric a table of all classes; ``group`` names its third column."""
    return {"group": group, "panels": report.by_metric(lambda metric: {"table": table(metric)})}


def listen_section(place: int, order: str | None = None) -> Section[Report]:
    """Prompts with their players; ``order`` says how they are ordered, by default the metric they are ranked by."""

    def content(report: Report) -> Content:
        metric = report.listening.metric
        ranked = f", ranked by the {metric.title} of each clip" if metric else ""
        return {"listening": report.listening, "clips": report.clips, "order": ranked if order is None else order}

    return Section(place, "listen", "Listen", LISTEN, content)


def audit_section(place: int) -> Section[Report]:
    """What the audit found in the files."""

    def content(report: Report) -> Content:
        analysis = report.analysis
        return {
            "summary": audit_table(analysis),
            "audit": analysis.audit,
            "odd": odd_clips(analysis),
            "untrusted": [p for p in analysis.prompts if not p.labels_known],
        }

    return Section(place, "audit", "Audit", AUDIT, content)


def provenance_content(report: Report) -> Content:
    """Variables of ``PROVENANCE``: metrics, descriptions of systems, and how the numbers were made."""
    analysis = report.analysis
    sampled = {s.name: s.sampling for s in analysis.systems if s.sampling is not None}
    return {
        "analysis": analysis,
        "metrics": metrics_table(analysis) if analysis.metrics else None,
        "sampled": sampled,
    }


def provenance_section(place: int, more: str = "") -> Section[Report]:
    """Where the numbers come from; ``more`` is template text below."""
    return Section(place, "provenance", "Provenance", PROVENANCE + more, provenance_content)
