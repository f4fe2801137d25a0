"""Sections of the zero-shot report: each file that defines a ``Section`` adds it."""
