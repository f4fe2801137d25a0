"""Sections that other reports have too."""

from __future__ import annotations

from reaudio_eval.reports.shared_sections import alerts_section, audit_section

ALERTS = alerts_section(80)
AUDIT = audit_section(90)
