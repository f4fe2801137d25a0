"""Sections of the comparison page: each file that defines a ``Section`` adds it."""
