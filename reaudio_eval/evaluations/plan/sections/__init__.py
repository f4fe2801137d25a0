"""Sections of the page of a plan."""
