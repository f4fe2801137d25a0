"""Listening test: export of a blind test, analysis of its answers."""
