"""Verifying caches and runs with doctor."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from reaudio_eval.cli import doctor
from reaudio_eval.cli.app import app
from reaudio_eval.features.cache import FeatureCache, JsonCache
from reaudio_eval.features.cache_origin import AUDITS, ENCODERS, FEATURES, Code, Origin, code_of
from reaudio_eval.features.embedders import ClipFeatures

runner = CliRunner()
CLIP = ClipFeatures(np.ones((1, 4), dtype=np.float32), None)
ARCHIVE = Path(__file__).parents[2] / "golden" / "run-schema-1" / "runs.tar.xz"


def fill(root: Path, code: Code | None = None, subject: str = "panns") -> None:
    """Three features, two audits and an encoder."""
    for n in range(3):
        FeatureCache(root, Origin(FEATURES, subject, {}, code or code_of(FEATURES, subject))).put(f"{n:064x}", CLIP)
    for n in range(2):
        JsonCache(root, Origin(AUDITS, "clips", {}, code or code_of(AUDITS, ""))).put(f"{n:064x}", {"peak": n})
    JsonCache(root, Origin(ENCODERS, subject, {}, code or code_of(ENCODERS, subject))).put("0" * 64, {"encoder_sha256": ""})


def verify(root: Path, *more: str) -> tuple[int, dict[str, Any]]:
    result = runner.invoke(app, ["doctor", "--cache", str(root), "--json", *more])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, {check["name"]: check for check in json.loads(result.stdout)}


def counts(found: dict[str, Any]) -> dict[str, int]:
    return {name: check["entries"] for name, check in found.items() if check["entries"] is not None}


WHOLE = {"features: whole": 3, "audits: whole": 2, "encoders: whole": 1}


def test_a_whole_cache_passes(tmp_path: Path) -> None:
    fill(tmp_path)
    code, found = verify(tmp_path)
    assert code == 0
    assert counts(found) == WHOLE


def test_damaged_entries_fail_and_can_be_removed(tmp_path: Path) -> None:
    fill(tmp_path)
    features = sorted((tmp_path / FEATURES).rglob("*.safetensors"))
    data = bytearray(features[1].read_bytes())
    data[-1] ^= 1
    features[1].write_bytes(data)
    next(p for p in (tmp_path / AUDITS).rglob("*.json") if len(p.stem) == 64).write_text("{}", encoding="utf-8")
    (tmp_path / "converted").mkdir()
    (tmp_path / "converted" / "w.safetensors").write_bytes(b"weights")
    code, found = verify(tmp_path)
    assert code == 1
    assert counts(found) == WHOLE | {
        "features: whole": 2, "features: damaged": 1, "audits: whole": 1, "audits: damaged": 1,
        "converted: whole": 0, "converted: damaged": 1,
    }  # fmt: skip
    assert str(features[1]) in found["features: damaged"]["detail"]
    assert verify(tmp_path, "--clean")[0] == 0
    assert counts(verify(tmp_path)[1]) == WHOLE | {"features: whole": 2, "audits: whole": 1}


def test_stale_entries_are_counted_and_removed_on_request(tmp_path: Path) -> None:
    fill(tmp_path)
    fill(tmp_path, Code("0" * 64, {"torch": "1.0"}))
    old = tmp_path / FEATURES / "panns-0123456789abcdef-0123456789ab" / "ab" / f"{'ab' * 32}.safetensors"  # of version 0.1.0
    old.parent.mkdir(parents=True)
    old.write_bytes(b"features")
    code, found = verify(tmp_path)
    assert code == 0
    stale = {"features: stale": 4, "audits: stale": 2, "encoders: stale": 1}
    assert counts(found) == WHOLE | stale
    assert found["features: stale"]["status"] == "note"
    note = {check.name: check for check in doctor.examine(tmp_path, None)}["cache: stale"]
    assert note.entries == 7
    assert note.remedy.endswith(f"reaudio-eval doctor --cache {tmp_path} --clean")
    assert verify(tmp_path, "--clean")[0] == 0
    assert counts(verify(tmp_path)[1]) == WHOLE
    assert not old.exists()


def test_entries_of_a_plug_in_that_is_not_registered_here_are_not_stale(tmp_path: Path) -> None:
    fill(tmp_path, Code("0" * 64, {}), "not_here")
    assert counts(verify(tmp_path)[1]) == {
        "features: whole": 3,
        "audits: stale": 2,
        "audits: whole": 0,
        "encoders: whole": 1,
    }


def test_an_empty_and_a_missing_cache(tmp_path: Path) -> None:
    assert verify(tmp_path)[0] == 0
    result = runner.invoke(app, ["doctor", "--cache", str(tmp_path / "gone")])
    assert result.exit_code == 2
    assert "gone does not exist: give the folder of a cache of your own." in result.stderr


def test_cleaning_needs_a_named_cache() -> None:
    result = runner.invoke(app, ["doctor", "--clean"])
    assert result.exit_code == 2
    assert "name it with --cache" in result.stderr


def test_other_files_in_a_cache_are_left_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    mine = tmp_path / "checkpoints" / "net.pth"
    mine.parent.mkdir()
    mine.write_bytes(b"weights")
    verify(tmp_path, "--clean")
    assert mine.exists()


@pytest.mark.parametrize("content", [None, b"null"])
def test_a_run_without_a_readable_manifest_fails(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    result = runner.invoke(app, ["doctor", "--run", str(tmp_path), "--json"])
    assert result.exit_code == 1
    (check,) = json.loads(result.stdout)
    assert check["status"] == "fail"
    assert bool(check["remedy"]) == (content is not None)  # scoring again is no remedy for a folder that is no run


def test_an_old_run_cannot_be_verified(tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    run = next(path.parent for path in sorted(tmp_path.rglob("manifest.json")))
    result = runner.invoke(app, ["doctor", "--run", str(run)])
    assert result.exit_code == 0
    assert result.stdout.startswith("note  run: ")
    assert "cannot be verified" in result.stdout
