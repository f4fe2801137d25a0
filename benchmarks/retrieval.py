"""Time and memory of a retrieval search, of the size of AudioCaps by default.

    python benchmarks/retrieval.py [--pairs 50000] [--dim 512] [--queries 1000] [--k 50] [--faiss]

Vectors are random but clustered, as captions are. Prints seconds (best of three) for one prompt and for all of them, with
self and same recording excluded, the time to save and to load the index, and the growth of memory during the searches.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from reaudio_model.retrieval.index import RetrievalIndex
from reaudio_model.retrieval.nearest import Vectors
from reaudio_model.retrieval.records import Pair

REPEATS = 3
PAIRS_OF_A_CLUSTER = 20


def synthetic_index(n: int, dim: int) -> RetrievalIndex:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((n // PAIRS_OF_A_CLUSTER + 1, dim), dtype=np.float32)
    cluster = rng.integers(0, len(centres), n)
    audio, text = (unit(centres[cluster] + rng.standard_normal((n, dim), dtype=np.float32)) for _ in range(2))
    pairs = tuple(Pair(f"clip{i:07d}", f"caption {i}", None, f"video{i // 2}", "train") for i in range(n))
    return RetrievalIndex(pairs, audio, text, "synthetic")


def unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def best_of(work: Callable[[], object]) -> str:
    """The least wall-clock and processor seconds; the latter tell more on a machine that is shared."""
    runs = []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = (min(column) for column in zip(*runs, strict=True))
    return f"{wall:.3f} s ({cpu:.3f} s of processor)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("pairs", 50_000), ("dim", 512), ("queries", 1000), ("k", 50)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--faiss", action="store_true", help="also with FAISS")
    args = parser.parse_args()
    index = synthetic_index(args.pairs, args.dim)
    queries = index.queries([pair.clip_id for pair in index.pairs[: args.queries]])
    one = index.queries([index.pairs[0].clip_id])
    before = peak_mb()
    for backend in ("exact", "faiss") if args.faiss else ("exact",):
        search = partial(index.search, k=args.k, backend=backend)
        search(one)  # the first search lays out the pool
        print(f"{backend}: one prompt {best_of(partial(search, one))}")
        print(
            f"{backend}: {args.queries} prompts, top {args.k} of {args.pairs} x {args.dim}: {best_of(partial(search, queries))}"
        )
    print(f"peak memory grew by {peak_mb() - before:.0f} MB")
    with tempfile.TemporaryDirectory() as folder:
        print(f"save {best_of(lambda: index.save(Path(folder)))}")
        print(f"load {best_of(lambda: RetrievalIndex.load(Path(folder)))}")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
