"""reaudio-eval: does a text-to-audio model still work on the rare sounds?"""

__version__ = "0.1.0"
