"""The index: pools, keys, exclusions, files equal to the bit, and every documented error."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.naming import caption_key
from reaudio_model.retrieval.index import (
    NOTHING_EXCLUDED,
    Exclusion,
    QueryBatch,
    RetrievalIndex,
    load_neighbours,
    save_neighbours,
)
from reaudio_model.retrieval.nearest import Vectors, cosines
from reaudio_model.retrieval.records import Neighbour, Pair

DIM = 8
SHA = "ab" * 32


def unit(n: int, seed: int = 0, dim: int = DIM) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def index_of(pairs: list[Pair], seed: int = 0) -> RetrievalIndex:
    return RetrievalIndex(tuple(pairs), unit(len(pairs), seed), unit(len(pairs), seed + 1), SHA)


def pairs_of(n: int, splits: tuple[str, ...] = ("train",)) -> list[Pair]:
    return [Pair(f"c{i}", f"caption {i}", Path(f"/a/{i}.wav"), f"v{i // 2}", splits[i % len(splits)]) for i in range(n)]


def ids(neighbours: list[Neighbour]) -> list[str]:
    return [n.pair.clip_id for n in neighbours]


@pytest.fixture
def index() -> RetrievalIndex:
    return index_of(pairs_of(12, ("train", "val", "test", "")))


@pytest.mark.parametrize(("pool", "splits"), [("train", {"train", ""}), ("train+val", {"train", "val", ""}), ("all", None)])
def test_pools(index: RetrievalIndex, pool: str, splits: set[str] | None) -> None:
    expected = {p.clip_id for p in index.pairs if splits is None or p.split in splits}
    assert len(index.pool_rows(pool)) == len(expected)
    found = index.search(unit(3, 5), k=len(expected), pool=pool)
    assert all(set(ids(neighbours)) == expected for neighbours in found)


@pytest.mark.parametrize("key", ["audio", "text", "mean"])
def test_keys_and_records(index: RetrievalIndex, key: str) -> None:
    keys = {"audio": index.audio, "text": index.text, "mean": (index.audio + index.text) / 2}[key]
    query = unit(1, 7)
    (found,) = index.search(query, k=4, key=key, pool="all")
    expected = keys @ query[0]
    assert [index.row_of[i] for i in ids(found)] == np.argsort(-expected)[:4].tolist()
    assert [n.rank for n in found] == [0, 1, 2, 3]
    np.testing.assert_allclose([n.similarity for n in found], np.sort(expected)[::-1][:4], atol=1e-6)
    assert found[0].pair is index.pairs[index.row_of[found[0].pair.clip_id]]


def test_equal_similarities_come_in_the_order_of_clip_ids() -> None:
    same = np.tile(unit(1), (5, 1))
    pairs = [Pair(name, name) for name in ("e", "b", "d", "a", "c")]
    (found,) = RetrievalIndex(tuple(pairs), same, same, SHA).search(unit(1), k=3)
    assert ids(found) == ["a", "b", "c"]


def test_default_exclusion_is_self_and_recording(index: RetrievalIndex) -> None:
    (found,) = index.search(index.queries(["c4"]), k=12, pool="all")
    assert sorted(set(index.row_of) - set(ids(found))) == ["c4", "c5"]
    assert [n.rank for n in found] == list(range(10))
    (all_of_them,) = index.search(index.queries(["c4"]), k=12, pool="all", exclude=NOTHING_EXCLUDED)
    assert len(all_of_them) == 12
    (by_text,) = index.search(index.queries(["c4"]), k=1, key="text", pool="all", exclude=NOTHING_EXCLUDED)
    assert ids(by_text) == ["c4"]
    assert by_text[0].similarity == pytest.approx(1, abs=1e-6)


def test_unknown_ids_sources_and_free_prompts_exclude_nothing(index: RetrievalIndex) -> None:
    for queries in (unit(1, 3), QueryBatch(unit(1, 3), ["new"], [""])):
        assert len(index.search(queries, k=12, pool="all")[0]) == 12


def test_identical_captions() -> None:
    index = index_of([Pair("a", "A dog, barks!"), Pair("b", "a DOG barks"), Pair("c", "a dog barked")])
    queries = QueryBatch(unit(1, 3), captions=["a dog   barks."])
    (found,) = index.search(queries, k=3, exclude=Exclusion(identical_caption=True))
    assert ids(found) == ["c"]


@st.composite
def searches(draw: st.DrawFn) -> tuple[RetrievalIndex, QueryBatch, Exclusion, int, str, str]:
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    n = draw(st.integers(2, 40))
    pairs = [
        Pair(f"c{i:02d}", f"say {rng.integers(4)}", None, f"v{rng.integers(6)}" * int(rng.integers(2)), str(rng.choice(["train", "val"])))
        for i in range(n)
    ]  # fmt: skip
    pairs[0] = pairs[0]._replace(split="train")
    index = RetrievalIndex(tuple(pairs), unit(n, seed, 3), unit(n, seed + 1, 3), SHA)
    cosine = st.sampled_from([None, 0.9, 0.2])
    exclude = Exclusion(*(draw(st.booleans()) for _ in range(3)), draw(cosine), draw(cosine))
    queries = index.queries([pairs[i].clip_id for i in rng.integers(0, n, 4)])
    pool, key = draw(st.sampled_from(["train", "all"])), draw(st.sampled_from(["audio", "text", "mean"]))
    return index, queries, exclude, draw(st.integers(1, len(index.pool_rows(pool)))), key, pool


@settings(max_examples=100, deadline=None)
@given(searches())
def test_equals_brute_force(problem: tuple[RetrievalIndex, QueryBatch, Exclusion, int, str, str]) -> None:
    index, queries, exclude, k, key, pool = problem
    keys = {"audio": index.audio, "text": index.text, "mean": (index.audio + index.text) / 2}[key]
    found = index.search(queries, k=k, key=key, pool=pool, exclude=exclude)
    for i, neighbours in enumerate(found):
        own = index.pairs[index.row_of[queries.clip_ids[i]]]
        own_row = index.row_of[own.clip_id]
        text, audio, scores = (
            cosines(m, np.arange(len(index)), index.text[own_row]) for m in (index.text, index.audio, keys)
        )
        audio = cosines(index.audio, np.arange(len(index)), index.audio[own_row])

        def allowed(row: int, own: Pair = own, text: Vectors = text, audio: Vectors = audio) -> bool:
            pair = index.pairs[row]
            return not (
                (pool == "train" and pair.split == "val")
                or (exclude.self_ and pair.clip_id == own.clip_id)
                or (exclude.same_source and own.source_id and pair.source_id == own.source_id)
                or (exclude.identical_caption and caption_key(pair.caption) == caption_key(own.caption))
                or (exclude.min_similarity_text is not None and text[row] >= exclude.min_similarity_text)
                or (exclude.min_similarity_audio is not None and audio[row] >= exclude.min_similarity_audio)
            )

        order = sorted(filter(allowed, range(len(index))), key=lambda row: (-scores[row], index.pairs[row].clip_id))
        assert [index.row_of[name] for name in ids(neighbours)] == order[:k]
        assert [n.similarity for n in neighbours] == [scores[row] for row in order[:k]]


def test_a_query_does_not_depend_on_its_batch(index: RetrievalIndex) -> None:
    queries = unit(9, 4)
    together = index.search(queries, k=5, pool="all")
    assert together == [index.search(query[None], k=5, pool="all")[0] for query in queries]
    assert together == index.search(queries, k=5, pool="all", backend="exact")
    assert together == [found[:5] for found in index.search(queries, k=9, pool="all")]


def test_saved_as_float16_its_vectors_are_rounded_once(index: RetrievalIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "half", dtype="float16")
    loaded = RetrievalIndex.load(tmp_path / "half", SHA)
    assert loaded.audio.dtype == loaded.text.dtype == np.float32
    for found, wanted in ((loaded.audio, index.audio), (loaded.text, index.text)):
        np.testing.assert_array_equal(found, wanted.astype(np.float16))  # rounded once, by NumPy's rule
        np.testing.assert_allclose(found, wanted, rtol=2**-11, atol=2**-24)  # half of float16's spacing
    assert {vectors.dtype for vectors in load_file(tmp_path / "half" / "embeddings.safetensors").values()} == {
        np.dtype("float16")
    }


def test_folders_are_paths_or_text(index: RetrievalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    index.save("~/index")
    assert (tmp_path / "index" / "manifest.json").is_file()
    assert RetrievalIndex.load("~/index").pairs == RetrievalIndex.load(tmp_path / "index").pairs


def test_save_and_load_equal_to_the_bit(index: RetrievalIndex, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "index"
    index = RetrievalIndex(index.pairs, index.audio, index.text, SHA, ("gone",))
    index.save(folder)
    loaded = RetrievalIndex.load(folder, SHA)
    assert loaded.pairs == index.pairs
    assert (loaded.encoder_sha256, loaded.left_out) == (SHA, ("gone",))
    assert loaded.audio.tobytes() == index.audio.tobytes()
    assert loaded.text.tobytes() == index.text.tobytes()
    assert sorted(p.name for p in folder.iterdir()) == ["embeddings.safetensors", "manifest.json", "pairs.parquet"]
    first = (folder / "manifest.json").read_bytes()
    loaded.save(folder)
    assert (folder / "manifest.json").read_bytes() == first


def test_moved_audio_and_pairs_without_audio(tmp_path: Path) -> None:
    audio = [tmp_path / "old" / "x" / "1.wav", tmp_path / "old" / "y" / "2.wav", None]
    index = index_of([Pair(f"c{i}", "x", path) for i, path in enumerate(audio)])
    index.save(tmp_path / "index")
    assert [p.audio for p in RetrievalIndex.load(tmp_path / "index").pairs] == audio
    moved = RetrievalIndex.load(tmp_path / "index", audio_root=Path("/new"))
    assert [p.audio for p in moved.pairs] == [Path("/new/x/1.wav"), Path("/new/y/2.wav"), None]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def edit_manifest(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        content = json.loads(path.read_bytes()) | changes
        path.write_text(json.dumps({key: value for key, value in content.items() if value != "drop"}))

    return change


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: cut(f / "embeddings.safetensors"), r"damaged \(embeddings.safetensors was altered\): build it"),
        (lambda f: flip(f / "embeddings.safetensors"), r"damaged \(embeddings.safetensors"),
        (lambda f: flip(f / "pairs.parquet"), r"damaged \(pairs.parquet"),
        (lambda f: (f / "pairs.parquet").unlink(), r"damaged \(pairs.parquet"),
        (lambda f: cut(f / "manifest.json") or cut(f / "manifest.json"), r"manifest of a retrieval index\) is not valid JSON"),
        (lambda f: (f / "manifest.json").write_text("[]"), r"manifest of a retrieval index\) holds no JSON object: build"),
        (lambda f: (f / "manifest.json").write_text("[" * 99_999), r"nested too deeply\): build the index again"),
        (edit_manifest(n=7), r"damaged \(manifest.json was altered\): build it again"),
        (edit_manifest(files={}), r"damaged \(manifest.json"),
        (edit_manifest(files="drop"), r"damaged \(manifest.json"),
        (edit_manifest(schema_version=99), "has version 99, this program reads 1: build it again"),
        (lambda f: (f / "manifest.json").unlink(), r"contains no retrieval index .*reaudio-model index build"),
        (shutil.rmtree, "contains no retrieval index"),
    ],
)  # fmt: skip
def test_damaged_indexes(index: RetrievalIndex, tmp_path: Path, harm: Callable[[Path], None], message: str) -> None:
    index.save(tmp_path / "index")
    harm(tmp_path / "index")
    with pytest.raises(ReaudioError, match=message):
        RetrievalIndex.load(tmp_path / "index")


def test_an_index_of_another_clap_is_refused(index: RetrievalIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    with pytest.raises(
        ReaudioError, match=r"built with another CLAP \(abababababab\) than the one in use \(cdcd.*load that CLAP, or build"
    ):
        RetrievalIndex.load(tmp_path, "cd" * 32)


def test_a_save_that_fails_leaves_no_index(index: RetrievalIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "index")
    (tmp_path / "index" / "embeddings.safetensors").unlink()
    (tmp_path / "index" / "embeddings.safetensors").mkdir()
    with pytest.raises(ReaudioError, match="Cannot write"):
        index.save(tmp_path / "index")
    with pytest.raises(ReaudioError, match="contains no retrieval index"):
        RetrievalIndex.load(tmp_path / "index")
    (tmp_path / "file").touch()
    with pytest.raises(ReaudioError, match="Cannot write"):
        index.save(tmp_path / "file")


def test_wrong_indexes() -> None:
    pairs = tuple(pairs_of(3))
    wrong = [
        (((), unit(0), unit(0), SHA), "at least one"),
        (((*pairs[:2], pairs[0]), unit(3), unit(3), SHA), "clip_id 'c0' is in the retrieval set twice"),
        ((pairs, unit(2), unit(3), SHA), "There are 2 audio embeddings for 3 pairs"),
        ((pairs, unit(3), unit(3, dim=4), SHA), "The text embeddings have 4 dimensions and the index has 8"),
        ((pairs, unit(3) * 2, unit(3), SHA), "The audio embeddings: row 0 has norm 2"),
        ((pairs, unit(3), unit(3) * np.nan, SHA), "The text embeddings: row 0 has NaN"),
    ]
    for arguments, message in wrong:
        with pytest.raises(ReaudioError, match=message):
            RetrievalIndex(*arguments)
    with pytest.raises(UnknownNameError, match=r"Unknown split 'valid'\. Did you mean 'val'"):
        RetrievalIndex((Pair("a", "x", split="valid"),), unit(1), unit(1), SHA)


def test_wrong_searches(index: RetrievalIndex) -> None:
    query = unit(1, 3)
    wrong = [
        ({"k": 7}, "k is 7, but the pool 'train' holds 6 pairs: choose k from 1 to 6"),
        ({"k": 0}, "k is 0"),
        ({"key": "adio"}, "Unknown key 'adio'. Did you mean 'audio'"),
        ({"pool": "trian"}, "Unknown pool 'trian'"),
        ({"backend": "fais"}, "Unknown backend 'fais'"),
        ({"queries": query[:, :5]}, "The query vectors have 5 dimensions and the index has 8"),
        ({"queries": query * 0.5}, "The query vectors: row 0 has norm 0.5"),
        ({"queries": query * np.inf}, "NaN or infinite"),
        ({"queries": QueryBatch(query, clip_ids=["a", "b"])}, "There are 2 clip_ids for 1 queries"),
        ({"queries": QueryBatch(query, audio=unit(2))}, "There are 2 audio for 1 queries"),
        ({"exclude": Exclusion(identical_caption=True)}, "needs the captions of the queries"),
        ({"exclude": Exclusion(min_similarity_audio=0.9)}, "needs the audio embeddings of the queries"),
    ]
    for options, message in wrong:
        with pytest.raises(ReaudioError, match=message):
            index.search(**({"queries": query, "k": 2} | options))
    with pytest.raises(ReaudioError, match="holds no pairs of the pool 'train'"):
        index_of(pairs_of(2, ("test",))).search(query, k=1)
    with pytest.raises(ReaudioError, match="The clip 'c99' is not in the retrieval index"):
        index.queries(["c1", "c99"])


def test_no_queries(index: RetrievalIndex) -> None:
    assert index.search(np.zeros((0, DIM)), k=3) == []


def test_neighbours_table(index: RetrievalIndex, tmp_path: Path) -> None:
    found = index.search(unit(2, 3), k=3, pool="all")
    retrieved = {"q1": found[0], "none": [], "q0": found[1]}
    path = tmp_path / "run" / "retrieved.parquet"
    save_neighbours(path, retrieved)
    loaded = load_neighbours(path)
    assert loaded == retrieved
    assert list(loaded) == ["q1", "none", "q0"]
    from pyarrow import parquet

    expected = ["clip_id", "rank", "similarity", "neighbour_id", "caption", "source_id", "split", "audio"]
    assert parquet.read_table(path).column_names == expected
    save_neighbours(path, {})
    assert load_neighbours(path) == {}


def test_wrong_neighbours_tables(index: RetrievalIndex, tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"none\.parquet does not exist"):
        load_neighbours(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("clip_id")
    with pytest.raises(ReaudioError, match=r"text\.parquet is not a readable Parquet file"):
        load_neighbours(tmp_path / "text.parquet")
    index.save(tmp_path)
    with pytest.raises(ReaudioError, match=r"pairs\.parquet is not a table of retrieved neighbours"):
        load_neighbours(tmp_path / "pairs.parquet")
