"""Sections that other reports have too."""

from __future__ import annotations

from reaudio_eval.reports.shared_sections import alerts_section, audit_section, listen_section, provenance_section

PAPER = """
<p>The factors are those of the ablations of <a href="https://arxiv.org/abs/2309.08051">Yuan et al., Retrieval-Augmented Text-to-Audio
Generation</a> (Table 1 and Figure 3). That paper trained one model for each setting; here one checkpoint is conditioned on less or
more.</p>
"""

ALERTS = alerts_section(40)
LISTEN = listen_section(50)
AUDIT = audit_section(60)
PROVENANCE = provenance_section(70, PAPER)
