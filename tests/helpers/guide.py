"""The commands of the guide to full-size training, made small."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/pages/full-size.md"
SCORED = (
    "--checkpoint panns=Cnn14_16k_mAP=0.438.pth --checkpoint clap=music_speech_audioset_epoch_15_esc_89.98.pt"  # of the page
)
STEPS = (
    "--set loop.steps=2 --set loop.batch_size=2 --set loop.workers=0 --set loop.log_every=1 --set loop.validate_every=2 "
    "--set loop.checkpoint_every=2 --device cpu"
)
# Command -> options that make it short, which follow its own and so replace them; and those of the small model.
SHORT = {
    "reaudio-model convert": ("", "--preset tiny"),
    "reaudio-model index build": ("--device cpu", ""),
    "reaudio-model train": (STEPS, "--set model.preset=tiny"),
    "reaudio-model generate": ("--steps 2 --device cpu", ""),
    "reaudio-model assemble": ("", "--set model.preset=tiny"),
    "reaudio-eval longtail": ("--steps 2 --candidates 2 --device cpu --media none", ""),
}


def page_commands() -> list[str]:
    """Every command of the two programs on the page, in order, each on one line."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [" ".join(line.split()) for line in lines if line.startswith("reaudio-")]


def shortened(command: str, *, tiny: bool) -> list[str]:
    """The words of a command with few steps and a tagger with random weights, and of the small model if ``tiny``."""
    short, small = next(options for start, options in SHORT.items() if command.startswith(start))
    scored = command.replace(SCORED, "--embedder efficientat --checkpoint efficientat=tagger.safetensors")
    return shlex.split(f"{scored} {short} {small if tiny else ''}")
