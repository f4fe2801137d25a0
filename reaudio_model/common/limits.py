"""Limits of what is read from a file."""

from __future__ import annotations

MAX_SECONDS = 600.0  # default of --max-seconds
