"""Sections of the long-tail report: each file that defines a ``Section`` adds it."""
