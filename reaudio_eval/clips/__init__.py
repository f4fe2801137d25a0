"""Clips of every system: collected, generated, and what was retrieved for them."""
