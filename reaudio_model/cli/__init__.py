"""The command line of reaudio-model."""
