"""Where numbers come from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reaudio_eval.runs import provenance


def test_versions_name_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package"))
    found = provenance.package_versions()
    assert found["numpy"]
    assert found["no-such-package"] is None


def test_every_scoring_file_exists() -> None:
    for name in provenance.SCORING_FILES:
        assert (Path(provenance.__file__).parents[1] / name).is_file(), name


def test_code_hash_covers_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provenance.code_sha256.cache_clear()
    plain = provenance.code_sha256()
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "mine.py").write_text('"""Mine."""\n', encoding="utf-8")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path))
    provenance.code_sha256.cache_clear()
    assert provenance.code_sha256() != plain
    provenance.code_sha256.cache_clear()


def test_git_state_of_another_checkout_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "site" / "reaudio_eval").mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "site" / "reaudio_eval" / "runs" / "provenance.py"))
    assert provenance.git_state() == {"commit": None, "dirty": None}


def test_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert provenance.git_state() == {"commit": None, "dirty": None}
