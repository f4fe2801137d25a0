"""Exact nearest neighbours of unit vectors.

The result does not depend on block size, order of queries or library.

A fast float32 product proposes candidates; those within ``rounding`` of the k-th are compared again by cosines summed in float64.
Exclusions are applied before the k best are selected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from reaudio_model.common.errors import ReaudioError

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
# Index of a query and rows (m,) -> mask of the rows that it may retrieve, bool (m,).
Allowed = Callable[[int, Rows], npt.NDArray[np.bool_]]

NORM_TOLERANCE = 1e-3  # of a unit vector stored in half precision
BLOCK_FLOATS = 1 << 24  # similarities in memory: 64 MiB
RESCORE_ROWS = 4096  # rows converted to float64 at once
SPARE = 64  # rows fetched beyond k, enough for the usual exclusions


class Found(NamedTuple):
    """rows: int64 (m,), best first; similarities: float32 (m,). m < k only if exclusions leave fewer."""

    rows: Rows
    similarities: Vectors


class Searcher(Protocol):
    """Proposes the rows of a set of keys with the largest dot products."""

    def block(self, depth: int) -> int:
        """Number of queries for one call of :meth:`search`."""

    def search(self, queries: Vectors, depth: int) -> tuple[Vectors, Rows]:
        """The ``depth`` largest float32 products of each query, in any order, and their rows; both (B, depth)."""


class BlockSearcher:
    """Matrix products in blocks of queries. keys: float32 (n, d)."""

    def __init__(self, keys: Vectors) -> None:
        self.keys = keys

    def block(self, depth: int) -> int:
        return max(1, BLOCK_FLOATS // len(self.keys))

    def search(self, queries: Vectors, depth: int) -> tuple[Vectors, Rows]:
        products = queries @ self.keys.T
        rows = np.argpartition(products, len(self.keys) - depth, axis=1)[:, len(self.keys) - depth :]
        return np.take_along_axis(products, rows, axis=1), rows


class FaissSearcher:
    """``faiss.IndexFlatIP`` over the keys, float32 (n, d), which it copies.

    Raises:
        ReaudioError: FAISS is not installed.
    """

    def __init__(self, keys: Vectors) -> None:
        self._index = _import_faiss().IndexFlatIP(keys.shape[1])
        self._index.add(keys)

    def block(self, depth: int) -> int:
        return max(1, BLOCK_FLOATS // depth)

    def search(self, queries: Vectors, depth: int) -> tuple[Vectors, Rows]:
        scores, rows = self._index.search(queries, depth)
        return scores, rows


def _import_faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ReaudioError(
            'FAISS is not installed: pip install "reaudio-eval[faiss]", or search with the backend "exact".'
        ) from error
    return faiss


def nearest(searcher: Searcher, keys: Vectors, queries: Vectors, k: int, tie_order: Rows, allowed: Allowed) -> list[Found]:
    """The k allowed rows of the largest cosine for each query, largest first, equal ones in ``tie_order``.

    Args:
        searcher: over ``keys``.
        keys: float32 (n, d), unit norm, n >= k.
        queries: float32 (B, d), unit norm.
        k: at least 1.
        tie_order: int (n,), a permutation: of two rows with equal cosine (in float32) the smaller one is first.
        allowed: the exclusions.
    """
    slack = rounding(keys.shape[1])
    results: dict[int, Found] = {}
    pending: Sequence[int] = range(len(queries))
    depth = min(len(keys), k + SPARE)
    while pending:
        deeper: list[int] = []
        for numbers in _blocks(pending, searcher.block(depth)):
            for i, scores, rows in zip(numbers, *searcher.search(queries[numbers], depth), strict=True):
                may = allowed(i, rows)
                near = _certain(scores, may, k, slack, complete=depth == len(keys))
                if near is None:
                    deeper.append(i)
                else:
                    results[i] = _best(keys, rows[near], queries[i], k, tie_order)
        pending, depth = deeper, min(len(keys), 4 * depth)
    return [results[i] for i in range(len(queries))]


def cosines(keys: Vectors, rows: Rows, query: Vectors) -> Vectors:
    """Dot products of ``keys[rows]`` with one query, summed in float64 row by row and rounded once: float32 (m,).

    Unlike in a matrix product, the result of a row does not depend on the other rows.
    """
    values = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), RESCORE_ROWS):
        part = slice(start, start + RESCORE_ROWS)
        values[part] = (keys[rows[part]] * query.astype(np.float64)).sum(axis=1)
    return values


def rounding(dim: int) -> float:
    """Maximum difference of two float32 dot products of the same unit vectors, plus the last digit of a cosine.

    The error of each is at most ``dim`` units in the last place of 1 (Higham, Accuracy and Stability, section 3.1).
    """
    unit = float(np.finfo(np.float32).eps) / 2
    return (2 * dim + 4) * unit * (1 + NORM_TOLERANCE) ** 2


def check_vectors(vectors: npt.ArrayLike, what: str, dim: int | None = None) -> Vectors:
    """float32 (n, d), contiguous, after checks.

    Raises:
        ReaudioError: not two-dimensional, of another width than ``dim``, NaN or infinite, or not of unit norm.
    """
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ReaudioError(f"{what} must be a matrix of one vector a row, not of shape {array.shape}.")
    if dim is not None and array.shape[1] != dim:
        raise ReaudioError(
            f"{what} have {array.shape[1]} dimensions and the index has {dim}: use the CLAP it was built with."
        )
    norms = np.linalg.norm(array, axis=1)
    if not np.isfinite(norms).all():
        raise ReaudioError(f"{what}: row {np.flatnonzero(~np.isfinite(norms))[0]} has NaN or infinite values.")
    wrong = np.flatnonzero(np.abs(norms - 1) > NORM_TOLERANCE)
    if len(wrong):
        raise ReaudioError(f"{what}: row {wrong[0]} has norm {norms[wrong[0]]:.4g}; divide every vector by its norm.")
    return array


def _blocks(numbers: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(numbers), size):
        yield list(numbers[start : start + size])


def _certain(
    scores: Vectors, may: npt.NDArray[np.bool_], k: int, slack: float, *, complete: bool
) -> npt.NDArray[np.bool_] | None:
    """Mask of the fetched rows that can be among the k best allowed ones; None if rows not fetched can be, too."""
    enough = int(may.sum()) >= k
    if not (enough or complete):
        return None
    if not enough:
        return may
    kth = np.partition(scores[may], -k)[-k]
    if kth - slack <= scores.min() and not complete:
        return None
    near: npt.NDArray[np.bool_] = may & (scores >= kth - slack)
    return near


def _best(keys: Vectors, rows: Rows, query: Vectors, k: int, tie_order: Rows) -> Found:
    similarities = cosines(keys, rows, query)
    order = np.lexsort((tie_order[rows], -similarities))[:k]
    return Found(rows[order], similarities[order])
