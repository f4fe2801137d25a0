"""Commands of reaudio-eval that are no evaluations."""
