"""Atomic writes and the content-addressed cache."""

from __future__ import annotations

import errno
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from reaudio_eval.embedders import ClipFeatures
from reaudio_eval.protocols import WaveformRule
from reaudio_eval.store import FeatureCache, JsonCache, rule_key
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_path, atomic_write, canonical_sha256, explain_write_error, json_bytes

FEATURES = ClipFeatures(np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1.5, -2.5], dtype=np.float32))


def test_atomic_write_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    atomic_write(target, b"one")
    atomic_write(target, b"two")
    assert target.read_bytes() == b"two"
    assert [p.name for p in target.parent.iterdir()] == ["file.txt"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    atomic_write(target, b"old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "clip.flac") as temporary:
        assert temporary.suffix == ".flac"
        assert temporary.name.startswith(".")
        temporary.touch()


def test_disk_full_is_one_sentence_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ReaudioError, match="the disk is full; free some space and run the same command again"):
        atomic_write(tmp_path / "x", b"data")


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(ReaudioError, match="a file stands where a folder is needed"):
        atomic_write(tmp_path / "out" / "x", b"data")


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.EACCES, "not writable"), (errno.EROFS, "not writable"), (errno.EDQUOT, "disk is full"), (errno.EIO, "error")],
)
def test_every_write_error_is_explained(code: int, words: str) -> None:
    assert words in str(explain_write_error(OSError(code, "Input/output error"), Path("x")))


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"value": float("nan")})


def test_canonical_hash_ignores_key_order_only() -> None:
    assert canonical_sha256({"a": 1, "b": [1, 2]}) == canonical_sha256({"b": [1, 2], "a": 1})
    assert canonical_sha256([1, 2]) != canonical_sha256([2, 1])


def test_features_come_back_to_the_bit(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, "panns", "ab" * 32, rule_key(WaveformRule(), 16_000))
    assert cache.get("f" * 64) is None
    cache.put("f" * 64, FEATURES)
    found = cache.get("f" * 64)
    assert found is not None
    np.testing.assert_array_equal(found.frames, FEATURES.frames)
    np.testing.assert_array_equal(found.logits, FEATURES.logits)
    assert "f" * 64 in cache


def test_a_damaged_entry_counts_as_absent(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, "panns", "ab" * 32, "rule")
    cache.put("f" * 64, FEATURES)
    path = next(tmp_path.rglob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:20])
    assert cache.get("f" * 64) is None


def test_checkpoint_rule_and_rate_separate_entries(tmp_path: Path) -> None:
    keys = {rule_key(rule, rate) for rule in (WaveformRule(), WaveformRule(mono="mean")) for rate in (16_000, 32_000)}
    assert len(keys) == 4
    FeatureCache(tmp_path, "panns", "a" * 64, "rule").put("f" * 64, FEATURES)
    assert FeatureCache(tmp_path, "panns", "b" * 64, "rule").get("f" * 64) is None
    assert FeatureCache(tmp_path, "panns", "a" * 64, "other").get("f" * 64) is None


def test_text_and_audio_with_the_same_bytes_do_not_collide() -> None:
    import hashlib

    assert FeatureCache.text_key("dog") != hashlib.sha256(b"dog").hexdigest()


def test_json_cache_survives_damage(tmp_path: Path) -> None:
    cache = JsonCache(tmp_path, "audits")
    cache.put("ab" * 32, {"peak": 0.5})
    assert cache.get("ab" * 32) == {"peak": 0.5}
    next(tmp_path.rglob("*.json")).write_text("{", encoding="utf-8")
    assert cache.get("ab" * 32) is None


def _write_many(root: Path, value: int) -> None:
    cache = FeatureCache(root, "panns", "a" * 64, "rule")
    for i in range(50):
        cache.put(f"{i:064x}", ClipFeatures(np.full((1, 2), value, dtype=np.float32), None))


def test_two_processes_may_write_the_same_entries(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(tmp_path, 7)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [w.exitcode for w in workers] == [0, 0]
    cache = FeatureCache(tmp_path, "panns", "a" * 64, "rule")
    for i in range(50):
        found = cache.get(f"{i:064x}")
        assert found is not None
        assert found.frames.tolist() == [[7.0, 7.0]]
    assert not list(tmp_path.rglob(".tmp-*"))
