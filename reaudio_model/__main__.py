"""``python -m reaudio_model`` is the command ``reaudio-model``."""

from reaudio_model.cli.app import main

main()
