"""Everything from nothing, in miniature of the miniature: every stage trained for two steps, packed, and loaded again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reaudio_model.common.errors import CheckpointError
from reaudio_model.miniature import bundled
from reaudio_model.miniature.reproduce import MICRO, reproduce
from reaudio_model.miniature.stages import stages
from reaudio_model.retrieval.index import RetrievalIndex

pytestmark = pytest.mark.slow  # every stage is trained once


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reproduce(tmp_path_factory.mktemp("runs"), scale=MICRO, device="cpu", jobs=1)


def test_every_part_is_packed_in_half_precision(packed: Path) -> None:
    manifest = json.loads((packed / "manifest.json").read_text())
    parts = {path.partition("/")[0] for path in manifest["files"]}
    assert parts == {
        *("clap", "t5", "audio_mae", "tagger", "judge", "vae", "vocoder", "index"),
        *(denoiser.folder for denoiser in bundled.DENOISERS.values()),
    }
    assert set(manifest["training"]) == {stage.name for stage in stages()}
    assert manifest["training"]["clap"]["train"]["step"] == 2.0
    for path in packed.rglob("*.safetensors"):
        assert {v.dtype for v in load_file(path).values() if v.is_floating_point()} == {torch.float16}, path
    assert not any("/tmp" in path.read_text() for path in packed.rglob("*.json")), "paths of this machine"


def test_the_packed_systems_generate(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "FOLDER", packed)
    bundled.manifest.cache_clear()
    bundled.part.cache_clear()
    try:
        for name in bundled.DENOISERS:
            pipeline = bundled.load_bundled(name)
            assert pipeline.unet.config.retrieval == bundled.DENOISERS[name].retrieval
            assert pipeline("a dog barks", seeds=[1], num_inference_steps=1).audios.shape == (1, 40_960), name
        index = bundled.bundled_index()
        assert isinstance(index, RetrievalIndex)
        assert index.encoder_sha256 == pipeline.conditioner.clap.sha256
    finally:
        bundled.manifest.cache_clear()
        bundled.part.cache_clear()


def test_altered_and_missing_weights_are_refused(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    for cached in (bundled.manifest, bundled.part):
        cached.cache_clear()
    try:
        with pytest.raises(CheckpointError, match=r"bundled weights are missing or damaged .*reproduce-miniature"):
            bundled.part("clap")
        manifest = json.loads((packed / "manifest.json").read_text())
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        (tmp_path / "clap").mkdir()
        (tmp_path / "clap" / "config.json").write_text("{}")
        with pytest.raises(CheckpointError, match=r"bundled file .*clap/config\.json is missing or altered"):
            bundled.part("clap")
        bundled.manifest.cache_clear()
        (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"world_version": 0}))
        with pytest.raises(CheckpointError, match="are of miniature world 0, this package has"):
            bundled.part("clap")
    finally:
        for cached in (bundled.manifest, bundled.part):
            cached.cache_clear()


@pytest.mark.slow
def test_the_same_command_again_trains_nothing(packed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in packed.parent.glob("*/checkpoints/*/state.json")}
    reproduce(packed.parent, scale=MICRO, device="cpu", jobs=1)
    assert before
    assert {path: path.stat().st_mtime_ns for path in packed.parent.glob("*/checkpoints/*/state.json")} == before
