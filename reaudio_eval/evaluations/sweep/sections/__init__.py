"""Sections of the sweep report: each file that defines a ``Section`` adds it; each factor has one too."""
