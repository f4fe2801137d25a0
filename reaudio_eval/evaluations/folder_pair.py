"""Two folders of clips, paired by name, as dataset and system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.options import FolderPair
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.datasets._tables import read_captions
from reaudio_eval.scores.score import NamedMetric
from reaudio_model.common.audio import find_clips
from reaudio_model.common.errors import ReaudioError

GENERATED = "generated"
EXAMPLES = 3  # names shown in a message


def folder_pair(folders: FolderPair) -> tuple[Dataset, SystemInfo]:
    """The clips of both folders; those with a partner come first with ``limit``, which takes no others.

    Raises:
        ReaudioError: a folder is missing or empty, no name is in both, or a caption is missing.
    """
    generated, reference, limit = folders.generated, folders.reference, folders.limit
    ours, real = find_clips(generated), find_clips(reference)
    both = sorted(ours.keys() & real.keys())
    if not both:
        raise ReaudioError(
            f"{generated} and {reference} have no file name in common: {_examples(ours)} against {_examples(real)}. "
            "Files pair by name without suffix."
        )
    names = sorted(ours.keys() | real.keys()) if limit is None else both[:limit]
    texts, notes = _captions(folders.captions, folders.skip_bad_rows, names, both)
    prompts = tuple(Prompt(n, c, labels_known=False) for n, c in texts.items())
    chosen = set(texts)
    references = {n: p for n, p in real.items() if n in chosen}
    dataset = Dataset("folder", "all", prompts, {}, {}, references, notes=notes)
    return dataset, SystemInfo(GENERATED, "generated", len(ours), {n: p for n, p in ours.items() if n in chosen})


def without_labels(metrics: Sequence[NamedMetric]) -> tuple[NamedMetric, ...]:
    """Metrics that need neither labels nor retrieved clips, which two folders do not have: others would only be undefined."""
    return tuple(m for m in metrics if not {"labels", "neighbours"} & m.definition.needs)


def _examples(clips: Mapping[str, Path]) -> str:
    return ", ".join(repr(path.name) for path in list(clips.values())[:EXAMPLES])


def _captions(
    path: Path | None, skip_bad_rows: bool, names: Sequence[str], both: Sequence[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The caption of each clip, and notes; clips whose row was left out of the table are left out, too."""
    if path is None:
        return dict.fromkeys(names, ""), ()
    found = read_captions(path, skip=skip_bad_rows)
    table = {p.clip_id: p.caption for p in found.prompts}
    missing = [n for n in both if n not in table]
    if missing and not found.notes:
        shown = ", ".join(map(repr, missing[:EXAMPLES]))
        raise ReaudioError(f"{path} has no caption for {len(missing)} of {len(both)} clips, such as {shown}.")
    without = set(missing)
    left_out = (f"{len(missing)} of {len(both)} clips have no caption after rows were left out, and are left out too.",)
    return {n: table.get(n, "") for n in names if n not in without}, found.notes + left_out * bool(missing)
