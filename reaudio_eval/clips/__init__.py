"""Clips: collecting, generating, retrieval."""
