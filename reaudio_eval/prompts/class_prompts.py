"""Prompts made of class names (``--captions classes``), as many for every class."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import unicodedata
from collections import Counter

from reaudio_eval import plugins
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_model.common.errors import ReaudioError

SPLIT = "classes"
PER_CLASS = 4
# The first is the wording of CLAP's zero-shot classification (arXiv 2206.04769, section 3.4: "this is a sound of [class label]").
TEMPLATES = ("this is a sound of {name}", "{name}", "the sound of {name}", "{name} can be heard", "a recording of {name}")


def class_prompts(dataset: Dataset, per_class: int = PER_CLASS) -> Dataset:
    """The dataset with prompts that name one class each, the same number for every class, and without references.

    The classes are all that the dataset names (``label_names``), including those without training clips. Captions come from
    ``DatasetPlugin.class_captions``, else from ``TEMPLATES``; where there are fewer than ``per_class`` they are used again, with
    another clip id and so another noise seed. Metrics that need a real clip are undefined.

    Args:
        dataset: loaded.
        per_class: prompts of a class, at least 1.

    Raises:
        ReaudioError: ``per_class`` below 1, or a dataset that names no class.
    """
    if per_class < 1:
        raise ReaudioError(f"--per-class must be 1 or more, not {per_class}.")
    if not dataset.label_names:
        raise ReaudioError(f"The dataset {dataset.name} names no class, so --captions classes has no prompts.")
    plugin = plugins.load("datasets", dataset.name)
    stems = _stems(dataset)
    prompts = []
    for label in sorted(dataset.label_names):
        captions = plugin.class_captions(label) or [t.format(name=spoken(dataset.label_names[label])) for t in TEMPLATES]
        prompts += [Prompt(f"{stems[label]}-{i + 1}", captions[i % len(captions)], (label,)) for i in range(per_class)]
    note = (
        f"Prompts are made of the names of all {len(stems)} classes, {per_class} for each; they have no real clip, so metrics that "
        "compare with one are undefined and the real audio is not scored."
    )
    return dataclasses.replace(dataset, split=SPLIT, prompts=tuple(prompts), references={}, file_names={}, notes=(note,))


def spoken(name: str) -> str:
    """A display name as written in a sentence: "Male speech, man speaking" -> "male speech, man speaking"; "TV" stays."""
    first = name.split(" ")[0]
    return name if first.isupper() and len(first) > 1 else name[:1].lower() + name[1:]


def _stems(dataset: Dataset) -> dict[str, str]:
    """Label -> the start of its clip ids: its name as a file name, with part of its hash where two are the same."""
    plain = {label: _slug(name) for label, name in dataset.label_names.items()}
    shared = Counter(plain.values())
    return {
        label: stem if stem and shared[stem] == 1 else f"{stem or 'class'}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"
        for label, stem in plain.items()
    }


def _slug(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")
