"""Exact nearest neighbours: against a sort of float64 cosines, ties, block sizes, and FAISS."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reaudio_model.common.errors import ReaudioError
from reaudio_model.retrieval import nearest as module
from reaudio_model.retrieval.nearest import (
    BlockSearcher,
    FaissSearcher,
    Rows,
    Vectors,
    check_vectors,
    cosines,
    nearest,
    rounding,
)


def unit(rng: np.random.Generator, n: int, dim: int) -> Vectors:
    vectors = rng.standard_normal((n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def everything(_i: int, rows: Rows) -> np.ndarray:
    return np.ones(len(rows), dtype=bool)


def brute_force(keys: Vectors, query: Vectors, k: int, tie_order: Rows, may: np.ndarray) -> list[int]:
    similarities = [np.float32(key.astype(np.float64) @ query.astype(np.float64)) for key in keys]
    order = sorted((row for row in range(len(keys)) if may[row]), key=lambda row: (-similarities[row], tie_order[row]))
    return order[:k]


@st.composite
def problems(draw: st.DrawFn) -> tuple[Vectors, Vectors, int, Rows, np.ndarray]:
    """Keys on a coarse grid, so that many cosines are equal, and random exclusions."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n, dim = draw(st.integers(1, 150)), draw(st.integers(1, 6))
    coarse = rng.integers(-2, 3, size=(n, dim)) + np.eye(dim)[rng.integers(0, dim, n)] * 5
    keys = (coarse / np.linalg.norm(coarse, axis=1, keepdims=True)).astype(np.float32)
    queries = np.concatenate([keys[rng.integers(0, n, 2)], unit(rng, 2, dim)])
    allowed = rng.random((len(queries), n)) < draw(st.sampled_from([0.1, 0.7, 1.0]))
    return keys, queries, draw(st.integers(1, n)), rng.permutation(n), allowed


@settings(max_examples=150, deadline=None)
@given(problems())
def test_equals_brute_force_with_ties_and_exclusions(problem: tuple[Vectors, Vectors, int, Rows, np.ndarray]) -> None:
    keys, queries, k, tie_order, allowed = problem
    found = nearest(BlockSearcher(keys), keys, queries, k, tie_order, lambda i, rows: allowed[i, rows])
    for i, (rows, similarities) in enumerate(found):
        assert rows.tolist() == brute_force(keys, queries[i], k, tie_order, allowed[i])
        np.testing.assert_array_equal(similarities, cosines(keys, rows, queries[i]))


@pytest.mark.parametrize("floats", [1, 700, 5_000])
def test_block_size_and_company_do_not_matter(monkeypatch: pytest.MonkeyPatch, floats: int) -> None:
    rng = np.random.default_rng(0)
    keys, queries = unit(rng, 300, 32), unit(rng, 20, 32)
    order = np.arange(300)
    whole = nearest(BlockSearcher(keys), keys, queries, 10, order, everything)
    monkeypatch.setattr(module, "BLOCK_FLOATS", floats)
    blocks = nearest(BlockSearcher(keys), keys, queries, 10, order, everything)
    alone = [nearest(BlockSearcher(keys), keys, query[None], 10, order, everything)[0] for query in queries]
    for one, other, single in zip(whole, blocks, alone, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_array_equal(one.similarities, other.similarities)
        np.testing.assert_array_equal(one.similarities, single.similarities)
        np.testing.assert_array_equal(one.rows, single.rows)


def test_looks_deeper_until_enough_are_allowed() -> None:
    """The 400 nearest are excluded: more than are fetched at first."""
    rng = np.random.default_rng(1)
    keys, query = unit(rng, 500, 16), unit(rng, 1, 16)
    ranking = np.argsort(-(keys @ query[0]))
    banned = set(ranking[:400].tolist())
    found = nearest(
        BlockSearcher(keys), keys, query, 5, np.arange(500), lambda _i, rows: np.array([r not in banned for r in rows])
    )
    assert found[0].rows.tolist() == ranking[400:405].tolist()


def test_more_ties_than_are_fetched() -> None:
    keys = np.tile(unit(np.random.default_rng(2), 1, 8), (1000, 1))
    order = np.arange(1000)[::-1].copy()
    found = nearest(BlockSearcher(keys), keys, keys[:1], 3, order, everything)
    assert found[0].rows.tolist() == [999, 998, 997]


def test_rounding_bounds_what_float32_products_do() -> None:
    rng = np.random.default_rng(3)
    keys, queries = unit(rng, 2000, 512), unit(rng, 8, 512)
    exact = queries.astype(np.float64) @ keys.T.astype(np.float64)
    assert np.abs(queries @ keys.T - exact).max() < rounding(512) / 2
    assert rounding(512) < 1e-4


def test_faiss_equals_blocks() -> None:
    pytest.importorskip("faiss", reason="the optional extra faiss is not installed")
    rng = np.random.default_rng(4)
    keys = np.concatenate([unit(rng, 900, 24), np.tile(unit(rng, 1, 24), (300, 1))])
    queries = np.concatenate([unit(rng, 10, 24), keys[-2:]])
    banned = rng.random((12, 1200)) < 0.3
    arguments = (keys, queries, 7, rng.permutation(1200), lambda i, rows: ~banned[i, rows])
    one, other = nearest(BlockSearcher(keys), *arguments), nearest(FaissSearcher(keys), *arguments)
    for a, b in zip(one, other, strict=True):
        assert a.rows.tolist() == b.rows.tolist()
        np.testing.assert_array_equal(a.similarities, b.similarities)


def test_faiss_that_is_not_installed_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(ReaudioError, match=r'FAISS is not installed: pip install "reaudio-eval\[faiss\]"'):
        FaissSearcher(np.eye(2, dtype=np.float32))


def test_check_vectors() -> None:
    eye = np.eye(3)
    assert check_vectors(eye, "The keys").dtype == np.float32
    bad = [
        (eye[0], r"The keys must be a matrix of one vector a row, not of shape \(3,\)"),
        (eye * 1.01, "row 0 has norm 1.01; divide every vector by its norm"),
        (np.zeros((2, 3)), "row 0 has norm 0"),
        (np.where(eye == 0, eye, [[1], [np.nan], [1]]), "row 1 has NaN or infinite values"),
        (eye[:, :2] + 0 * eye[:, 1:], "have 2 dimensions and the index has 3: use the CLAP it was built with"),
    ]
    for vectors, message in bad:
        with pytest.raises(ReaudioError, match=message):
            check_vectors(vectors, "The keys", 3)
