"""The content-addressed cache."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np

from reaudio_eval.features.cache import FeatureCache, JsonCache, rule_key
from reaudio_eval.features.embedders import ClipFeatures
from reaudio_eval.features.protocols import WaveformRule

FEATURES = ClipFeatures(np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1.5, -2.5], dtype=np.float32))


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
