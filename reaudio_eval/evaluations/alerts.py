"""Alerts about the files, systems and checkpoints of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.runs.directory import Run
from reaudio_eval.scores.evaluate import EXAMPLES, Evaluation, Tools
from reaudio_eval.scores.external.scores import ExternalScores
from reaudio_eval.scores.inputs import REFERENCE
from reaudio_eval.statistics.analysis import Alert

Content = Mapping[str, Mapping[str, str]]


def evaluation_alerts(
    dataset: Dataset,
    systems: Sequence[SystemInfo],
    evaluation: Evaluation,
    tools: Tools,
    *,
    chosen: bool = False,
    common: bool = False,
) -> list[Alert]:
    """What a reader must know of the clips that were scored.

    Args:
        dataset, systems, evaluation, tools: of the evaluation.
        chosen: the prompts are not all, so some files belong to none.
        common: every system was scored on the prompts that all have.
    """
    left_out = len(dataset.prompts) - len(evaluation.clip_ids)
    return [
        *checkpoint_alerts(tools),
        *identical_systems(systems, evaluation.content, evaluation.clip_ids),
        *_identical_seeds(systems, evaluation),
        *unused_files(systems, "note" if chosen else "warning"),
        *(Alert("note", note) for note in dataset.notes),
        *_left_out(left_out, len(dataset.prompts), "at least one" if common else "every"),
        *truncated(evaluation.audit),
        *_few_clips(evaluation, tools),
    ]


def failed_models(failed: Mapping[str, str]) -> list[Alert]:
    """Models that are missing because they failed: name -> reason."""
    return [Alert("warning", f"{name} failed and is left out: {why}", first_screen=True) for name, why in failed.items()]


def upper_references(systems: Sequence[SystemInfo]) -> list[Alert]:
    """Systems that are shown and not compared."""
    return [
        Alert("warning", f"{s.name} is an upper reference and is not compared. {s.description}")
        for s in systems
        if s.role == "oracle"
    ]


def same_names(external: ExternalScores, systems: Sequence[str], tools: Tools) -> Iterator[Alert]:
    """Metrics that tables give of some systems and that were computed here of others."""
    computed = {m.info.name for m in tools.metrics if m.unavailable is None}
    for metric in (m for m in external.metrics if m.name in computed):
        given = [name for name in systems if metric in external.metrics_of(name)]
        others = [name for name in systems if name not in given]
        if given and others:
            yield Alert(
                "warning",
                f"{metric.name} of {first_names(given)} is from a table of --scores, that of {first_names(others)} was computed here: "
                "compare them only if both are of the same checkpoint and protocol.",
                first_screen=True,
            )


def checkpoint_alerts(tools: Tools) -> Iterator[Alert]:
    """Checkpoints that are not the published files, or not those of the protocol."""
    for note in dict.fromkeys(note for embedder in tools.embedders.values() for note in embedder.checkpoint_notes):
        yield Alert("warning", note, first_screen=True)


def identical_systems(systems: Sequence[SystemInfo], content: Content, clip_ids: Sequence[str]) -> Iterator[Alert]:
    """Systems that share clips byte for byte with each other, or with the real audio.

    Args:
        systems: with their kinds; the real audio is the reference and not compared with it.
        content: system name (or "reference") -> clip_id -> sha256 of the file.
        clip_ids: of the clips that are scored in any system.
    """
    generated = [s.name for s in systems if s.kind == "generated"]
    pairs = [(name, REFERENCE) for name in generated] + list(combinations(generated, 2))
    for one, other in pairs:
        a, b = content.get(one, {}), content.get(other, {})
        ours = [c for c in clip_ids if c in a]
        same = [c for c in ours if a[c] == b.get(c)]
        if same and len(same) == len(ours):
            yield _same_clips(one, other)
        elif same:
            yield Alert(
                "warning",
                f"{len(same):,} of {len(ours):,} clips of {one} are byte for byte those of {_shown(other)}: {first_names(same)}.",
            )


def run_alerts(runs: Sequence[Run]) -> Iterator[Alert]:
    """Checkpoints, identical systems and seeds of finished runs, by their manifests; older runs do not have these entries."""
    embedders = (each for run in runs for each in mapping(run.manifest.get("embedders")).values())
    stored = (mapping(each).get("notes") for each in embedders)
    for note in dict.fromkeys(str(note) for notes in stored if isinstance(notes, list) for note in notes):
        yield Alert("warning", note, first_screen=True)
    yield from _identical_runs(runs)
    yield from several_seeds([run.scores.system for run in runs])


def _identical_runs(runs: Sequence[Run]) -> Iterator[Alert]:
    generated = [run for run in runs if run.scores.system.kind == "generated"]
    found = {run.scores.system.name: mapping(run.manifest.get("content")) for run in generated}
    for name, content in found.items():
        if content.get("clips") is not None and content["clips"] == content.get("reference"):
            yield _same_clips(name, REFERENCE)
    for one, other in combinations(found, 2):
        if found[one].get("clips") is not None and found[one]["clips"] == found[other].get("clips"):
            yield _same_clips(one, other)


def _same_clips(one: str, other: str) -> Alert:
    if other == REFERENCE:
        meaning = "this system is the reference, not generated audio; check the folder that was named."
    else:
        meaning = "this is one system under two names; check the folders that were named."
    message = f"{one} and {_shown(other)} are byte for byte the same clips: {meaning}"
    return Alert("warning", message, first_screen=True)


def _shown(name: str) -> str:
    return "the real audio" if name == REFERENCE else name


def mapping(value: object) -> Mapping[str, Any]:
    """A value of a manifest that should be a mapping; {} for anything else."""
    return value if isinstance(value, Mapping) else {}


def unused_files(systems: Sequence[SystemInfo], level: Literal["warning", "note"] = "warning") -> Iterator[Alert]:
    """Files in the users' folders that belong to no prompt."""
    for system in systems:
        if system.unused:
            n_files = len(system.unused) + sum(map(len, system.by_seed.values()))
            yield Alert(
                level,
                f"{len(system.unused):,} of {n_files:,} files of {system.name} belong to no prompt of this evaluation and are not "
                f"scored: {first_names(system.unused)}.",
            )


def first_names(names: Sequence[str]) -> str:
    """The first ``EXAMPLES`` of them, and how many more there are."""
    more = f" and {len(names) - EXAMPLES:,} more" if len(names) > EXAMPLES else ""
    return ", ".join(names[:EXAMPLES]) + more


def several_seeds(systems: Sequence[SystemInfo]) -> Iterator[Alert]:
    """Systems with several clips for each prompt, and what their numbers are then."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for system in (s for s in systems if s.kind == "generated"):
        groups.setdefault(system.seeds, []).append(system.name)
    if any(groups):
        counts = "; ".join(f"{_seeds_text(seeds)} of {'every system' if len(groups) == 1 else ', '.join(names)}"
                           for seeds, names in groups.items())  # fmt: skip
        yield Alert(
            "note",
            f"Generated clips of each prompt: {counts}. Values of clips and labels are means over the seeds. Metrics of sets of clips are "
            "computed for each seed and averaged. Players play the first seed.",
        )


def _seeds_text(seeds: Sequence[int]) -> str:
    return f"{len(seeds)} (seeds {', '.join(map(str, seeds))})" if seeds else "1"


def _identical_seeds(systems: Sequence[SystemInfo], evaluation: Evaluation) -> Iterator[Alert]:
    """Systems whose clips do not depend on the seed."""
    for system in systems:
        clip_ids = evaluation.clips[system.name].own
        first, *others = ([evaluation.content[name][c] for c in clip_ids] for name in system.by_seed)
        if first in others:
            yield Alert(
                "warning",
                f"Seeds of {system.name} are byte for byte the same clips, so they count one clip of each prompt several times: check the "
                "folders, or whether the model uses the seed.",
                first_screen=True,
            )


def _left_out(n: int, n_prompts: int, of_which: str) -> Iterator[Alert]:
    if n:
        yield Alert(
            "warning",
            f"{n} of {n_prompts} prompts are left out of every system alike, because the clip of {of_which} "
            "system (or the real clip) is missing or unreadable; the audit lists them.",
        )


def truncated(audit: Mapping[str, Any]) -> Iterator[Alert]:
    """Clips that were scored although their files are not whole. ``audit``: system name -> summary of its files."""
    for name, summary in audit.items():
        clips = [
            str(clip["clip_id"]) for clip in summary["clips"] if "truncated" in clip["flags"] and clip["status"] == "ok"
        ]
        if clips:
            one = len(clips) == 1
            what = f"1 file of {name} is" if one else f"{len(clips):,} files of {name} are"
            scored = "was scored as far as it" if one else "were scored as far as they"
            yield Alert(
                "warning",
                f"{what} cut, damaged or joined and {scored} could be read: {first_names(clips)}. The audit says why; --strict refuses "
                f"{'it' if one else 'them'}.",
            )


def _few_clips(evaluation: Evaluation, tools: Tools) -> Iterator[Alert]:
    measured = {m.info.name for m in tools.metrics if m.unavailable is None}
    for name, width in evaluation.widths.items():
        if f"fd_{name}" in measured and len(evaluation.set_clip_ids) < 2 * width:
            yield Alert(
                "note",
                f"fd_{name} rests on {len(evaluation.set_clip_ids)} clips for {width} dimensions, so its size is mostly that of the "
                "sample: compare it only within this report and beside its floor. KAD does not have this bias.",
            )
