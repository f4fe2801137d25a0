"""Scores of one folder of clips against another."""
