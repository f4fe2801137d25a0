"""Sections that other reports have too."""

from __future__ import annotations

from reaudio_eval.reports.shared_sections import alerts_section, audit_section, listen_section, provenance_section

ALERTS = alerts_section(50)
LISTEN = listen_section(70, ", class by class")
AUDIT = audit_section(80)
PROVENANCE = provenance_section(90)
