"""Retrieval: index, search, exclusion and leakage."""
