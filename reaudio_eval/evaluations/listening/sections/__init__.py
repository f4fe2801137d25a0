"""Sections of the listening report: each file that defines a ``Section`` adds it."""
