"""Where numbers come from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import write_embedder, write_pair

from reaudio_eval.runs import provenance
from reaudio_eval.scores.evaluate import Options, Tools, prepare
from reaudio_model.common.code import code_closure

ROOT = Path(__file__).parents[3]


def test_versions_name_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package"))
    found = provenance.package_versions()
    assert found["numpy"]
    assert found["no-such-package"] is None


def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metrics: tuple[str, ...] | None = ("kad",)) -> Tools:
    checkpoint = write_embedder(tmp_path)
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path))
    return prepare(
        Options(embedders=("bands",), checkpoints={"bands": checkpoint}, metrics=metrics, cache_dir=tmp_path, device="cpu")
    )


def test_the_code_of_a_run_is_what_computes_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tools(tmp_path, monkeypatch)
    names = {"reaudio_eval.features.feature_set", "reaudio_eval.statistics.intervals", "reaudio_eval.scores.jackknife"}
    assert names <= code_closure(*provenance.SCORING).keys()
    closures: list[tuple[Any, ...]] = []
    monkeypatch.setattr(provenance, "_identity", lambda modules: closures.append(modules) or ("0", {}))
    provenance.scoring_code(given)
    used = code_closure(*closures[0])
    assert "reaudio_eval.scores.metrics.kad" in used  # a metric in use
    assert used["reaudio_eval_plugins.embedders.bands"] == tmp_path / "embedders" / "bands.py"
    assert "reaudio_eval.scores.metrics.inception_score" not in used
    assert not [name for name in used if name.startswith(("reaudio_eval.reports", "reaudio_eval.cli."))]


def test_packages_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = provenance.scoring_code(tools(tmp_path, monkeypatch))
    assert {"numpy", "scipy", "torch", "pandas", "soxr", "soundfile"} <= found["packages"].keys()
    assert "matplotlib" not in found["packages"]
    assert provenance.hardware("auto")["device"] in ("cpu", "cuda")


WORLD = """
import json, sys
from reaudio_eval.cli.app import main
try:
    main()
except SystemExit as end:
    names = [name for name in sys.modules if name.startswith(("reaudio_eval", "reaudio_model"))]
    print(json.dumps({"code": end.code, "modules": sorted(names)}), file=sys.stderr)
"""
# What finds clips, prompts and options, whose results are in the identity themselves, and what shows numbers.
ELSEWHERE = (
    "reaudio_eval.cli", "reaudio_eval.evaluations", "reaudio_eval.reports", "reaudio_eval.runs", "reaudio_eval.clips.models",
    "reaudio_eval.clips.collect", "reaudio_eval.clips.sampling", "reaudio_eval.prompts.", "reaudio_eval.frames.",
    "reaudio_eval.statistics.separation", "reaudio_eval.scores.metrics.", "reaudio_eval_plugins", "reaudio_model.cli",
    "reaudio_model.common.cli", "reaudio_model.common.code", "reaudio_model.common.commands", "reaudio_model.common.option",
    "reaudio_model.common.json_files", "reaudio_model.miniature", "reaudio_model.retrieval.", "reaudio_model.pipeline.",
    "reaudio_eval.scores.external", "reaudio_model.common.frame_tables",
    "reaudio_model.conditioning.", "reaudio_model.common.csv_files", "reaudio_model.common.tables", "reaudio_model.common.yaml_files",
)  # fmt: skip


def score(code: Path, folder: Path, output: str) -> tuple[dict[str, Any], float]:
    """Modules that a long-tail evaluation loaded, and its KAD."""
    arguments = [
        "longtail", "--dataset", "folder", "--data-root", str(folder / "data"), "--references", str(folder / "reference"),
        "--clips", f"ours={folder / 'generated'}", "--embedder", "bands", "--checkpoint", f"bands={folder / 'bands.bin'}",
        "--metric", "kad", "--media", "none", "--json", "--output", str(folder / output),
        "--cache-dir", str(folder / "cache"), "--device", "cpu",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", WORLD, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(code), str(ROOT)]), "REAUDIO_PLUGINS": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    about = json.loads(done.stderr.splitlines()[-1])
    assert about["code"] in (0, None), done.stderr
    return about, json.loads(done.stdout)["systems"]["ours"]["kad_bands"]["value"]


@pytest.mark.slow
def test_edited_code_of_the_features_is_scored_again(tmp_path: Path) -> None:
    write_pair(tmp_path, 24)
    write_embedder(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    rows = "\n".join(f"c{i:02d},a tone,hum" for i in range(24))
    (data / "captions.csv").write_text(f"clip_id,caption,labels\n{rows}\n", encoding="utf-8")
    (data / "counts.csv").write_text("label,n_train\nhum,50\n", encoding="utf-8")
    shutil.copytree(ROOT / "reaudio_eval", tmp_path / "code" / "reaudio_eval", ignore=shutil.ignore_patterns("__pycache__"))
    about, first = score(tmp_path / "code", tmp_path, "out")
    loaded = {name for name in about["modules"] if not name.startswith(ELSEWHERE)}
    closure = code_closure(*provenance.SCORING, "reaudio_eval.scores.metrics.kad")
    assert loaded <= closure.keys()
    tables = {name for name in about["modules"] if name.startswith("reaudio_eval.scores.external")}
    assert tables <= code_closure(*provenance.EXTERNAL).keys()  # in the identity of runs with scores of tables
    edited = tmp_path / "code" / "reaudio_eval" / "features" / "feature_set.py"
    text = edited.read_text(encoding="utf-8")
    assert text.count("sums / self.frame_counts") == 1
    edited.write_text(text.replace("sums / self.frame_counts", "np.abs(sums) ** 1.5 / self.frame_counts"), encoding="utf-8")
    again = score(tmp_path / "code", tmp_path, "out")[1]
    assert again != first
    assert again == score(tmp_path / "code", tmp_path, "elsewhere")[1]


def test_git_state_of_another_checkout_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "site" / "reaudio_eval").mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "site" / "reaudio_eval" / "runs" / "provenance.py"))
    assert provenance.git_state() == {"commit": None, "dirty": None}


def test_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert provenance.git_state() == {"commit": None, "dirty": None}
