"""Random seeds of clips.

They make a clip the same for every batch size, order and number of workers.
"""

from __future__ import annotations

import hashlib


def clip_seed(seed: int, clip_id: str) -> int:
    """63-bit seed of one clip: SHA-256 of the run's seed and the clip's id."""
    digest = hashlib.sha256(f"{seed}:{clip_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
