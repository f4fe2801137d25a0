"""Saving and loading taggers.

A folder with ``config.json`` (architecture, sizes, classes) and ``model.safetensors``.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from safetensors.torch import save

from reaudio_model.common.errors import CheckpointError, ReaudioError, one_of
from reaudio_model.common.files import atomic_write, json_bytes
from reaudio_model.common.inference import build
from reaudio_model.common.settings import from_mapping
from reaudio_model.common.weights import load_state_dict, weights_file
from reaudio_model.encoders.recurrent_tagger import RecurrentConfig, RecurrentTagger
from reaudio_model.encoders.tagger import Tagger, TaggerConfig

Architecture = Literal["cnn", "recurrent"]
CONFIG = "config.json"


class LoadedTagger(NamedTuple):
    """network: in evaluation mode; classes: labels in the order of its logits."""

    network: Tagger | RecurrentTagger
    classes: tuple[str, ...]


def new_tagger(architecture: Architecture, n_classes: int) -> Tagger | RecurrentTagger:
    """A tagger with random weights and the default sizes, whose initial probability of each class is 1 / ``n_classes``.

    Otherwise the first few hundred steps of binary cross-entropy learn only this (arXiv 1708.02002, section 3.3).
    """
    recurrent = architecture == "recurrent"
    tagger = RecurrentTagger(RecurrentConfig(n_classes)) if recurrent else Tagger(TaggerConfig(n_classes))
    torch.nn.init.constant_(tagger.classifier.bias, -math.log(max(n_classes - 1, 1)))
    return tagger


def save_tagger(network: Tagger | RecurrentTagger, classes: tuple[str, ...], folder: Path) -> None:
    """Write both files; the weights keep their dtype."""
    architecture: Architecture = "cnn" if isinstance(network, Tagger) else "recurrent"
    atomic_write(folder / "model.safetensors", save({k: v.contiguous() for k, v in network.state_dict().items()}))
    config = {"architecture": architecture, **asdict(network.config), "classes": list(classes)}
    atomic_write(folder / CONFIG, json_bytes(config))


def load_tagger(folder: Path, *, device: torch.device, cache_dir: Path | None = None) -> LoadedTagger:
    """A tagger that :func:`save_tagger` wrote, in float32.

    Raises:
        CheckpointError: missing, damaged, or weights of other sizes.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        architecture = one_of("architecture", config.pop("architecture", "cnn"), ("cnn", "recurrent"))
        classes = tuple(str(label) for label in config.pop("classes"))
        where = str(folder / CONFIG)
        recurrent = from_mapping(RecurrentConfig, config, where) if architecture == "recurrent" else None
        plain = from_mapping(TaggerConfig, config, where) if recurrent is None else None
    except (OSError, ValueError, KeyError, AttributeError, ReaudioError) as error:
        raise CheckpointError(f"{folder} is not a saved tagger: its {CONFIG} is missing or damaged.") from error

    def network() -> Tagger | RecurrentTagger:
        if recurrent is not None:
            return RecurrentTagger(recurrent)
        assert plain is not None
        return Tagger(plain)

    state = load_state_dict(weights_file(folder), cache_dir=cache_dir)
    built = build(network, state, path=folder, what="a tagger of the sizes in its config.json", device=device)
    return LoadedTagger(built, classes)
