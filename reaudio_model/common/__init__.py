"""Shared by both packages: errors, files, audio, weights, progress."""
