"""``python -m reaudio_eval`` is the command ``reaudio-eval``."""

from reaudio_eval.cli.app import main

main()
