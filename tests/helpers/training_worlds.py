"""Six clips with tables, and tiny checkpoints of every part, for tests of training from a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from tiny_model import tiny_clap_network, tiny_pairs, tiny_t5_config, tiny_tokenizer
from transformers import T5ForConditionalGeneration

from reaudio_model.codec.codec import build_vae, build_vocoder
from reaudio_model.config import TINY_CODEC, TINY_CONDITION, Part
from reaudio_model.encoders.audio_mae import build_audio_mae
from reaudio_model.training.loop import FitResult
from reaudio_model.training.run import train

SHORT = [
    "loop.steps=2",
    "loop.batch_size=2",
    "loop.log_every=1",
    "loop.workers=0",
    "loop.precision=float32",
    "model.preset=tiny",
]
PARTS = ("vae", "vocoder", "clap", "audio_mae", "t5")
HEADER = "clip_id,caption,audio,source_id,split"


def training_world(root: Path) -> Path:
    """pairs.csv, labels.csv, audio/ and a folder for each of ``PARTS``."""
    clips_in(root)
    torch.manual_seed(0)
    build_vae(TINY_CODEC).save_pretrained(root / "vae")
    build_vocoder(TINY_CODEC).save_pretrained(root / "vocoder")
    build_audio_mae(TINY_CONDITION).save_pretrained(root / "audio_mae")
    tiny_clap_network().save_pretrained(root / "clap")
    tiny_tokenizer("roberta").save_pretrained(root / "clap")
    T5ForConditionalGeneration(tiny_t5_config()).save_pretrained(root / "t5")
    tiny_tokenizer("t5").save_pretrained(root / "t5")
    return root


def clips_in(root: Path) -> Path:
    """pairs.csv, labels.csv and audio/ of six training clips."""
    pairs = tiny_pairs(root / "audio")
    rows = [f"{p.clip_id},{p.caption},audio/{p.clip_id}.wav,{p.source_id},train" for p in pairs]
    (root / "pairs.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    labelled = [f"{p.clip_id},{p.caption},audio/clip-{i}.wav,{'dog;rain' if i % 2 else 'wind'}" for i, p in enumerate(pairs)]
    (root / "labels.csv").write_text("\n".join(["clip_id,caption,audio,labels", *labelled]) + "\n")
    return root / "pairs.csv"


def overrides(world: Path, *more: str) -> list[str]:
    parts = [f"parts.{name}={world / name}" for name in PARTS]
    return [*SHORT, f"data.pairs=[{world / 'pairs.csv'}]", *parts, *more]


def run(part: Part, config: str, world: Path, output: Path, *more: str, **options: Any) -> FitResult:
    return train(
        part, config, output, device="cpu", overrides=overrides(world, *more), cache_dir=world / "cached", **options
    )


def reset_accelerator() -> None:
    """accelerate keeps its state in the process: a run in the same one would inherit it."""
    for state in (AcceleratorState, PartialState, GradientState):
        state._reset_state()


def arguments(settings: Sequence[str]) -> list[str]:
    """Settings as options of ``reaudio-model train``."""
    return [each for setting in settings for each in ("--set", setting)]
