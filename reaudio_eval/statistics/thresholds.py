"""Thresholds of tests, intervals and warnings."""

from __future__ import annotations

ALPHA = 0.05  # level of every test, after Holm's correction
POWER = 0.8  # of a detectable difference
MIN_CLASSES = 5  # a stratum or regime with fewer classes has no interval and no test
MIN_CLIPS = 30  # a stratum with fewer clips is greyed out and warned about
MIN_CLASS_CLIPS = 5  # of one class; with fewer, Student's t gives intervals wider than the scale of most scores
