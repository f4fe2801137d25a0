"""The bundled miniature world of synthetic sounds.

Procedural sound classes, long-tailed splits and captions; nothing is downloaded.
"""
