"""Options of ``generate`` with a bundled system: each reaches what it sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_model import tiny_conditioner
from typer.testing import CliRunner

from reaudio_model.cli.app import app
from reaudio_model.config import PRESETS
from reaudio_model.miniature import bundled, neighbours
from reaudio_model.pipeline import generation
from reaudio_model.pipeline.assemble import build_pipeline


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the command asks for, with a tiny model in place of the bundled one."""
    found: dict[str, Any] = {}

    def load(name: str, device: str, dtype: str) -> Any:
        found.update(name=name, dtype=dtype)
        return build_pipeline(PRESETS["tiny"], tiny_conditioner())

    def store(pipeline: Any, prompts: Any, k: int | None, **options: Any) -> neighbours.Stored:
        found.update(stored=options["search"], k=k)
        return neighbours.Stored(tmp_path / "index", tmp_path / "features")

    def generate(request: Any, pipeline: Any, **options: Any) -> generation.Generated:
        found.update(request=request)
        return generation.Generated([], 0, tmp_path / "generation.json")

    monkeypatch.setattr(bundled, "load_bundled", load)
    monkeypatch.setattr(neighbours, "store_neighbours", store)
    monkeypatch.setattr(generation, "generate_to_files", generate)
    return found


def run(*options: object) -> None:
    result = CliRunner().invoke(app, ["generate", "rain", "--model", "re-audioldm-s", "-o", "out", *map(str, options)])
    assert result.exit_code == 0, result.output


def test_its_own_key_and_precision_are_the_defaults(seen: dict[str, Any]) -> None:
    run()
    assert (seen["name"], seen["dtype"]) == ("re-audioldm-s", "float32")
    assert seen["stored"] == seen["request"].search
    assert (seen["stored"].key, seen["stored"].pool) == (bundled.KEY, "train")


def test_key_pool_exclusions_and_precision_are_used(seen: dict[str, Any]) -> None:
    run("--key", "audio", "--dtype", "float16", "--exclude", "caption", "--k", 2)
    assert (seen["dtype"], seen["k"], seen["request"].k) == ("float16", 2, 2)
    assert seen["stored"] == seen["request"].search
    assert (seen["stored"].key, seen["stored"].exclude.identical_caption) == ("audio", True)


def test_the_papers_protocol_is_used(seen: dict[str, Any]) -> None:
    run("--paper-protocol")
    assert seen["stored"] == seen["request"].search
    assert (seen["stored"].key, seen["stored"].pool, seen["stored"].exclude.self_) == (bundled.KEY, "all", False)


@pytest.mark.slow
def test_precision_of_bundled_weights() -> None:
    pipeline = bundled.load_bundled("re-audioldm-s-none", "cpu", "bfloat16")
    assert (pipeline.unet.dtype, pipeline.vae.dtype) == (torch.bfloat16, torch.float32)
