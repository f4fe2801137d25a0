"""The command line of reaudio-eval."""
