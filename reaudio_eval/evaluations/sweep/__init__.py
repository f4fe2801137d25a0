"""Sweep: one model at many sampling settings."""
