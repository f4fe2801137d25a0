"""A CLAP, a table of clips, their index and a saved pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from model_command import run
from tiny_model import tiny_clap, tiny_conditioner, tiny_pairs

from reaudio_model.config import get_preset
from reaudio_model.pipeline.assemble import build_pipeline


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clap")
    clap = tiny_clap()
    clap.network.save_pretrained(folder)
    clap.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """table.csv of six clips in audio/ (two of val), one that is missing, and one that is broken."""
    root = tmp_path_factory.mktemp("world")
    pairs = tiny_pairs(root / "audio")
    (root / "audio" / "broken.wav").write_bytes(b"RIFF")
    rows = [
        f"{p.clip_id},{p.caption},{p.clip_id}.wav,{p.source_id},{'val' if i > 3 else 'train'}" for i, p in enumerate(pairs)
    ]
    rows += ["gone,rain,gone.wav,v,train", "broken,wind,broken.wav,w,train"]
    (root / "table.csv").write_text("\n".join(["clip_id,caption,audio,source_id,split", *rows]) + "\n")
    return root


@pytest.fixture(scope="module")
def built(world: Path, clap_folder: Path) -> Path:
    folder = world / "index"
    run(
        "index",
        "build",
        world / "table.csv",
        "--audio-root",
        world / "audio",
        "--clap",
        clap_folder,
        "-o",
        folder,
        "--quiet",
    )
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    build_pipeline(get_preset("tiny"), tiny_conditioner()).save_pretrained(folder)
    return folder
