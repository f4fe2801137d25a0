"""Listening tests: forms that participants fill in, and what their answers say about systems and metrics."""
