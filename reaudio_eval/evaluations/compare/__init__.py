"""Comparison of systems from several runs."""
