"""The commands of ``reaudio-model``, one file for each group."""
