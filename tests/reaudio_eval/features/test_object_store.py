"""Features in an object store that machines share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from notes import Notes

from reaudio_eval.features.cache import FeatureCache, JsonCache, cache_log
from reaudio_eval.features.cache_origin import FEATURES, Code, Origin
from reaudio_eval.features.embedders import ClipFeatures
from reaudio_eval.features.object_store import ObjectStore
from reaudio_model.common.errors import ReaudioError

CLIP = ClipFeatures(np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(4, dtype=np.float32))
KEYS = tuple(f"{i:064x}" for i in range(3))
ORIGIN = Origin(FEATURES, "toy", {"checkpoint": "a"}, Code("1", {}))


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    url = f"memory://{tmp_path.name}/features" if request.param == "memory" else f"file://{tmp_path}/shared"
    yield ObjectStore(url)
    MemoryFileSystem.store.clear()


def test_what_was_written_is_read_and_the_rest_is_left_out(store: ObjectStore) -> None:
    assert store.read(["a/b"]) == store.read([]) == {}
    store.write({"a/b": b"1", "c": b"22"})
    store.write({"c": b"333"})
    assert store.read(["a/b", "c", "d"]) == {"a/b": b"1", "c": b"333"}


def test_another_machine_gets_features_and_facts(store: ObjectStore, tmp_path: Path) -> None:
    here, there = (FeatureCache(tmp_path / name, ORIGIN, store) for name in ("here", "there"))
    here.put(KEYS[0], CLIP)
    there.fetch(KEYS)
    assert there.get(KEYS[0]) is None, "nothing was shared yet"
    here.share()
    there.fetch(KEYS)
    found = there.get(KEYS[0])
    assert found is not None
    assert found.logits is not None
    np.testing.assert_array_equal(found.frames, CLIP.frames)
    np.testing.assert_array_equal(found.logits, CLIP.logits)
    assert there.get(KEYS[1]) is None
    facts = [JsonCache(tmp_path / name, ORIGIN, store) for name in ("here", "there")]
    facts[0].put(KEYS[1], {"peak": 1})
    facts[0].share()
    facts[1].fetch(KEYS)
    assert facts[1].get(KEYS[1]) == {"peak": 1}


def test_features_of_another_origin_are_not_shared(store: ObjectStore, tmp_path: Path) -> None:
    here = FeatureCache(tmp_path / "here", ORIGIN, store)
    here.put(KEYS[0], CLIP)
    here.share()
    for settings, code in (({"checkpoint": "b"}, "1"), ({"checkpoint": "a"}, "2")):
        other = FeatureCache(tmp_path / "there", Origin(FEATURES, "toy", settings, Code(code, {})), store)
        other.fetch(KEYS)
        assert other.get(KEYS[0]) is None


def test_damaged_entries_of_the_store_are_left(store: ObjectStore, tmp_path: Path) -> None:
    here, there = (FeatureCache(tmp_path / name, ORIGIN, store) for name in ("here", "there"))
    here.put(KEYS[0], CLIP)
    here.put(KEYS[1], CLIP)
    here.share()
    name = here._name(KEYS[0])
    content = store.read([name])[name]
    store.write({name: content[:-1] + b"\0"})
    there.fetch(KEYS)
    assert there.get(KEYS[0]) is None
    assert there.get(KEYS[1]) is not None


class Broken(ObjectStore):
    """Cannot be reached."""

    def _opened(self) -> tuple[object, str]:
        raise ConnectionError("no route to the bucket")


def test_a_store_that_cannot_be_reached_costs_time_alone(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, ORIGIN, Broken("memory://x"))
    cache.fetch(KEYS)
    cache.put(KEYS[0], CLIP)
    cache.share()
    assert cache.get(KEYS[0]) is not None
    reporter = Notes()
    cache_log(tmp_path).report(reporter)
    cache_log(tmp_path).report(reporter)
    assert reporter.lines == ["Warning: the feature store cannot be used, so nothing is shared: no route to the bucket"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("shared", "is no URL: give file:///FOLDER"),
        ("foo://x", "foo is no protocol of fsspec; use file, s3 or gs"),
        ("s3://bucket", "needs a package that is not installed: pip install s3fs"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_at_once(url: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(ReaudioError, match=message):
        ObjectStore(url).check()
    ObjectStore("memory://x").check()
