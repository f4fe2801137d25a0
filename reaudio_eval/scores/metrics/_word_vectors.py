"""Word vectors of WordLlama: mean of a text's token vectors.

The package ``wordllama`` (MIT) carries vectors and tokenizer in its wheel. Only these two files are read: its own loader
(0.4.0.post1) looks for the tokenizer in a folder that the wheel does not have and then downloads it, and its import configures the
root logger.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.packages import Package
from reaudio_model.common.weights import sha256_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORDLLAMA = Package("wordllama", "words")
# File of the wheel 0.4.0.post1 -> its SHA-256: other vectors would give other scores under the same name.
VECTORS, TOKENIZER = "weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"
PUBLISHED = {
    VECTORS: "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
    TOKENIZER: "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
}

Float64 = npt.NDArray[np.float64]


class Words(NamedTuple):
    """tokenizer: text to rows of ``vectors``; vectors: float32 (n_tokens, 256)."""

    tokenizer: Tokenizer
    vectors: npt.NDArray[np.float32]


def embed(texts: Sequence[str]) -> Float64:
    """The mean token vector of each text, scaled to unit length; zeros for a text without tokens.

    Equal to ``WordLlama.load().embed(texts, norm=True)`` of wordllama 0.4.0.post1 to 1e-6.

    Returns:
        float64 (len(texts), 256).

    Raises:
        ReaudioError: the package is not installed, or has other vectors.
    """
    words = _load()
    rows = [encoded.ids for encoded in words.tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    means = np.stack([_mean(words.vectors[ids]) for ids in rows])
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    return means / np.where(norms > 0, norms, 1.0)


def _mean(vectors: npt.NDArray[np.float32]) -> Float64:
    total: Float64 = vectors.sum(axis=0, dtype=np.float64) / max(1, len(vectors))
    return total


@cache
def _load() -> Words:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = _folder()
    for name, sha256 in PUBLISHED.items():
        if not (folder / name).is_file() or sha256_file(folder / name) != sha256:
            raise ReaudioError(
                f"{folder / name} is not the file of wordllama 0.4.0.post1, whose word vectors tag_text needs: "
                'pip install --force-reinstall "wordllama==0.4.0.post1".'
            )
    vectors: npt.NDArray[np.float32] = load_file(folder / VECTORS)["embedding.weight"].astype(np.float32)
    return Words(Tokenizer.from_file(str(folder / TOKENIZER)), vectors)


def _folder() -> Path:
    missing = WORDLLAMA.missing
    if missing is not None:
        raise ReaudioError(f"tag_text {missing}.")
    spec = importlib.util.find_spec(WORDLLAMA.module)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))
