"""Prompts: datasets, strata and training counts."""
