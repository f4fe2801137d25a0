"""Evaluations: one folder for each command that produces a report."""
