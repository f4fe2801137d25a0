"""The cache by content and origin."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from notes import Notes

from reaudio_eval.features import cache as cache_module
from reaudio_eval.features.cache import FeatureCache, JsonCache, cache_log, check_cache_dir, open_features
from reaudio_eval.features.cache_origin import AUDITS, Code, Origin
from reaudio_eval.features.embedders import ClipFeatures
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import explain_write_error

FEATURES = ClipFeatures(np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1.5, -2.5], dtype=np.float32))
KEY = "f" * 64


def origin(kind: str = "features", code: str = "a", version: str = "1", **settings: str) -> Origin:
    return Origin(kind, "panns", settings, Code(code * 64, {"torch": version}))


def notes(root: Path) -> list[str]:
    reporter = Notes()
    cache_log(root).report(reporter)
    return reporter.lines


def test_features_come_back_to_the_bit(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, origin())
    assert cache.get(KEY) is None
    cache.put(KEY, FEATURES)
    found = cache.get(KEY)
    assert found is not None
    np.testing.assert_array_equal(found.frames, FEATURES.frames)
    np.testing.assert_array_equal(found.logits, FEATURES.logits)
    assert notes(tmp_path) == []


def test_every_flipped_bit_counts_as_absent_and_is_reported_once(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, origin())
    cache.put(KEY, FEATURES)
    path = next(tmp_path.rglob("*.safetensors"))
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        assert open_features(bytes(damaged), KEY) is None, position
    assert open_features(whole, KEY) is not None
    path.write_bytes(whole[:20])
    assert cache.get(KEY) is None
    assert notes(tmp_path) == [f"Entries of the cache {tmp_path} that were made anew: 1 damaged."]
    assert notes(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"\xff\xfe\x00", bytes(range(256)) * 5, b"[" * 100_000])
def test_bytes_of_another_kind_count_as_damaged(content: bytes, tmp_path: Path) -> None:
    for cache in (FeatureCache(tmp_path, origin()), JsonCache(tmp_path, origin(AUDITS))):
        path = cache.folder / KEY[:2] / f"{KEY}{cache.suffix}"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        assert cache.get(KEY) is None
    assert notes(tmp_path) == [f"Entries of the cache {tmp_path} that were made anew: 2 damaged."]


def test_a_whole_entry_under_the_name_of_another_counts_as_damaged(tmp_path: Path) -> None:
    features, facts = FeatureCache(tmp_path, origin()), JsonCache(tmp_path, origin(AUDITS))
    features.put(KEY, FEATURES)
    facts.put(KEY, {"peak": 0.5})
    other = "f" * 63 + "0"
    for cache in (features, facts):
        place = cache.folder / KEY[:2]
        (place / f"{KEY}{cache.suffix}").rename(place / f"{other}{cache.suffix}")
        assert cache.get(other) is None


@pytest.mark.parametrize(
    "odd",
    [
        ClipFeatures(np.full((1, 2), np.nan, dtype=np.float32), None),
        ClipFeatures(np.zeros((1, 2), dtype=np.float32), np.array([np.inf], dtype=np.float32)),
        ClipFeatures(np.zeros(2, dtype=np.float32), None),
        ClipFeatures(np.zeros((0, 2), dtype=np.float32), None),
        ClipFeatures(np.zeros((1, 2), dtype=np.float32), np.zeros((1, 2), dtype=np.float32)),
    ],
)
def test_whole_entries_that_are_no_features_are_not_used(odd: ClipFeatures, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, origin())
    cache.put(KEY, odd)
    assert cache.get(KEY) is None


def test_settings_code_and_packages_separate_entries(tmp_path: Path) -> None:
    FeatureCache(tmp_path, origin(checkpoint="a")).put(KEY, FEATURES)
    assert FeatureCache(tmp_path, origin(checkpoint="a")).get(KEY) is not None
    for other in (origin(checkpoint="b"), origin(code="b", checkpoint="a"), origin(version="2", checkpoint="a")):
        assert FeatureCache(tmp_path, other).get(KEY) is None


def test_entries_of_other_code_that_are_made_anew_are_counted(tmp_path: Path) -> None:
    FeatureCache(tmp_path, origin()).put(KEY, FEATURES)
    FeatureCache(tmp_path, origin(checkpoint="another")).put(KEY, FEATURES)
    assert notes(tmp_path) == []
    for other in (origin(code="b"), origin(version="2")):
        FeatureCache(tmp_path, other).put(KEY, FEATURES)
        assert notes(tmp_path) == [
            f"Entries of the cache {tmp_path} that were made anew: 1 of other code or package versions."
        ]


def test_text_and_audio_with_the_same_bytes_do_not_collide() -> None:
    assert FeatureCache.text_key("dog") != hashlib.sha256(b"dog").hexdigest()


def test_facts_come_back(tmp_path: Path) -> None:
    cache = JsonCache(tmp_path, origin(AUDITS))
    cache.put(KEY, {"peak": 0.5})
    assert cache.get(KEY) == {"peak": 0.5}


def test_a_full_disk_costs_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def full(path: Path, data: bytes) -> None:
        calls.append(path)
        raise explain_write_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), path)

    monkeypatch.setattr(cache_module, "atomic_write", full)
    cache = FeatureCache(tmp_path, origin())
    for _ in range(3):
        cache.put(KEY, FEATURES)
    assert len(calls) == 1
    (line,) = notes(tmp_path)
    assert line.startswith("Warning: the cache cannot be written, so features are computed again next time: Cannot write ")
    assert "the disk is full" in line


def test_a_file_where_a_folder_is_needed_costs_one_line(tmp_path: Path) -> None:
    (tmp_path / "features").write_bytes(b"")
    cache = FeatureCache(tmp_path, origin())
    assert cache.get(KEY) is None
    cache.put(KEY, FEATURES)
    (line,) = notes(tmp_path)
    assert "there is a file where a folder is needed" in line


def test_a_cache_of_somebody_else_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("builtins.open", refuse)
    assert FeatureCache(tmp_path, origin()).get(KEY) is None
    monkeypatch.setattr(Path, "stat", refuse)
    assert check_cache_dir(tmp_path) == tmp_path


def test_a_file_is_no_cache(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(ReaudioError, match=r"^The cache .*file is a file: give a folder with --cache-dir"):
        check_cache_dir(path)


def _write_many(root: Path, value: int) -> None:
    cache = FeatureCache(root, origin())
    for i in range(50):
        cache.put(f"{i:064x}", ClipFeatures(np.full((1, 2), value, dtype=np.float32), None))


@pytest.mark.slow
def test_two_processes_may_write_the_same_entries(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(tmp_path, 7)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [w.exitcode for w in workers] == [0, 0]
    cache = FeatureCache(tmp_path, origin())
    for i in range(50):
        found = cache.get(f"{i:064x}")
        assert found is not None
        assert found.frames.tolist() == [[7.0, 7.0]]
    assert not list(tmp_path.rglob(".tmp-*"))
