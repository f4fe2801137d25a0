"""Checking the parts of a pipeline that diffusers has loaded."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import torch

from reaudio_model.common.weights import check_finite, check_loaded

UNUSED = "pooler."  # of the ViT of transformers, which AudioMAE has not: the tokens do not pass it


def check_parts(parts: Mapping[str, Any], folder: Path, variant: str | None, given: Container[str]) -> None:
    """Check that the networks of a pipeline are those of its files.

    Args:
        parts: name -> component.
        folder: of the saved pipeline.
        variant: of its files, e.g. "fp16".
        given: names of the parts that did not come from there.

    Raises:
        CheckpointError: weights that are not finite, or that the files lack: transformers draws those at random.
    """
    from transformers import PreTrainedModel

    for name, part in parts.items():
        if isinstance(part, torch.nn.Module):
            check_finite(part, f"the part {name} of {folder}")
        if isinstance(part, PreTrainedModel) and name not in given and (folder / name).is_dir():
            _check_whole(part, folder / name, variant)


def _check_whole(part: Any, folder: Path, variant: str | None) -> None:
    """Compare the names of a network's weights with those in its files, of which no value is read."""
    there = variant is not None and any(f".{variant}." in path.name for path in folder.iterdir())
    empty, info = type(part).from_pretrained(
        folder,
        local_files_only=True,
        variant=variant if there else None,
        device_map="meta",
        output_loading_info=True,
    )
    missing = [name for name in info["missing_keys"] if not name.startswith(UNUSED)]
    check_loaded(part, {**info, "missing_keys": missing}, folder, f"a saved {type(empty).__name__}")
