"""Loading a diffusers folder, checked against its files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.json_files import read_json_object
from reaudio_model.common.weights import variant_of
from reaudio_model.pipeline.part_check import check_parts

WORDS = ("rain", "dog")  # that any vocabulary tells apart


def load_folder(
    folder: Path, pipeline_class: Any, title: str, parts: Collection[str], classes: Mapping[str, Any] | None = None
) -> Any:
    """A pipeline on the CPU; every weight comes from the files and is finite.

    Args:
        folder: in diffusers' layout.
        pipeline_class: of diffusers, which the folder must name.
        title: of the system, for messages.
        parts: folders that it must have.
        classes: part -> class in place of the one that the folder names.

    Raises:
        CheckpointError: another folder, or a damaged one.
    """
    check_folder(folder, pipeline_class.__name__, title, parts)
    variant = variant_of(folder / "unet") or variant_of(folder / "transformer")
    try:
        with _without_bars():
            given = {
                name: each.from_pretrained(folder / name, local_files_only=True, variant=variant_of(folder / name))
                for name, each in (classes or {}).items()
            }
            pipeline = pipeline_class.from_pretrained(folder, local_files_only=True, variant=variant, **given)
            check_parts(pipeline.components, folder, variant, given=())
            _check_tokenizers(pipeline.components, folder)
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file can raise any exception
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise CheckpointError(f"{folder} is damaged ({reason}): fetch it again.") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def check_folder(folder: Path, class_name: str, title: str, parts: Collection[str]) -> None:
    """Refuse a folder that is not of a pipeline; arguments as for :func:`load_folder`.

    Raises:
        CheckpointError: it lacks a part, or is of another pipeline.
    """
    index = read_json_object(
        folder / "model_index.json", "the list of a pipeline's parts", remedy="fetch the folder again", error=CheckpointError
    )
    absent = [name for name in parts if not (folder / name).is_dir()]
    if index.get("_class_name") != class_name or absent:
        lack = f"it has no {', '.join(absent)}" if absent else f"it is of {index.get('_class_name')}"
        raise CheckpointError(f"{folder} is no diffusers folder of {title}: {lack}.")


def _check_tokenizers(parts: Mapping[str, Any], folder: Path) -> None:
    """Refuse an empty vocabulary, which libraries make where its file is missing: it maps every word to the same number."""
    for name, part in parts.items():
        if hasattr(part, "get_vocab") and len({tuple(part(word)["input_ids"]) for word in WORDS}) == 1:
            raise CheckpointError(f"The tokenizer in {folder / name} has no words: fetch all its files again.")


@contextmanager
def _without_bars() -> Iterator[None]:
    """The libraries draw no progress bars of their own."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    before = [(each, each.is_progress_bar_enabled()) for each in (of_diffusers, of_transformers)]
    for each, _ in before:
        each.disable_progress_bar()
    try:
        yield
    finally:
        for each, was_enabled in before:
            if was_enabled:
                each.enable_progress_bar()
