"""Scores: metrics bound to embedders and computed for systems."""
