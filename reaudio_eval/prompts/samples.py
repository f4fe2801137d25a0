"""A sample of prompts that covers every class."""

from __future__ import annotations

import dataclasses
import hashlib

from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import rarest_label
from reaudio_model.common.errors import ReaudioError


def covering_sample(dataset: Dataset, n: int) -> Dataset:
    """The dataset with n of its prompts, chosen in turns: one prompt of every class, then a second one, and so on.

    A prompt belongs to its rarest label; within a class the order is that of a hash of the clip id. Where a turn is not finished, its
    classes are taken in an order whose every beginning covers the range from rare to frequent evenly. A smaller sample is part of a
    larger one, and the order of the dataset's prompts does not matter. Prompts without trusted labels are left out.

    Args:
        dataset: with prompts; a note that says what was chosen is added to its notes.
        n: prompts, 1 or more; all prompts with trusted labels where there are fewer.

    Raises:
        ReaudioError: n below 1, or no prompt has trusted labels.
    """
    if n < 1:
        raise ReaudioError(f"--sample must be 1 or more (0 takes all prompts), not {n}.")
    if n >= len(dataset.prompts):
        return dataset
    classes: dict[str, list[Prompt]] = {}
    for prompt in sorted(dataset.prompts, key=lambda p: hashlib.sha256(p.clip_id.encode()).hexdigest()):
        label = rarest_label(prompt.labels, dataset.n_train) if prompt.labels_known else None
        if label is not None:
            classes.setdefault(label, []).append(prompt)
    if not classes:
        raise ReaudioError("--sample chooses prompts by their labels, and no prompt has trusted ones: give --limit instead.")
    by_count = sorted(classes, key=lambda label: (dataset.n_train(label), label))
    turn = {by_count[place]: i for i, place in enumerate(_even_order(len(by_count)))}
    ordered = sorted(
        ((i, turn[label], prompt.clip_id) for label, members in classes.items() for i, prompt in enumerate(members)),
    )
    chosen = {clip_id for _, _, clip_id in ordered[:n]}
    kept = tuple(p for p in dataset.prompts if p.clip_id in chosen)
    covered = {rarest_label(p.labels, dataset.n_train) for p in kept}
    note = (
        f"{len(kept)} of {len(dataset.prompts)} prompts, chosen evenly over the classes by their rarest label "
        f"({len(covered)} of {len(classes)} classes): --sample 0 takes all."
    )
    return dataclasses.replace(dataset, prompts=kept, notes=(*dataset.notes, note))


def _even_order(n: int) -> list[int]:
    """0 to n - 1 in an order whose every beginning is spread evenly (the binary digits of the place read backwards)."""
    bits = max(1, (n - 1).bit_length())
    return [place for place in (int(f"{i:0{bits}b}"[::-1], 2) for i in range(2**bits)) if place < n]
