"""Columns of every DataFrame that one module hands to another.

A frame is checked against its schema where it is made; readers rely on it. A folder of an evaluation that is a plug-in states its own
schemas with :class:`Schema`.
"""

from reaudio_eval.frames.schema import Column, FrameError, Schema, by_name

__all__ = ["Column", "FrameError", "Schema", "by_name"]
