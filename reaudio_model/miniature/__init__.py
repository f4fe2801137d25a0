"""The bundled miniature world: procedural sound classes, long-tailed splits, captions; nothing is downloaded."""
