"""Material of a listening test: systems, shared prompts, clips, scores."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reaudio_eval.evaluations.listening.records import REAL, Score, TestPrompt, TestSystem
from reaudio_eval.frames.rows import records
from reaudio_eval.prompts.strata import prompt_stratum, stratum_titles
from reaudio_eval.reports.text import count, listing
from reaudio_eval.runs.directory import Run
from reaudio_eval.runs.find import RunSet
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.rows import ALL
from reaudio_model.common.errors import ReaudioError


@dataclass(frozen=True)
class Material:
    """Systems and prompts that a test can use.

    Attributes:
        systems: generated systems by name, then the real audio.
        prompts: of which every system has a file, by clip id.
        labels: clip id -> labels (empty when not trusted).
        clips: (system, clip id) -> file.
        strata: names from frequent to rare, then "" if prompts without a stratum are the only ones.
        metrics, scores: of the generated systems, and of the real audio where it was scored.
        dataset: name, split and list hash.
        notes: what was left out.
        titles: stratum -> title.
    """

    systems: tuple[TestSystem, ...]
    prompts: tuple[TestPrompt, ...]
    labels: Mapping[str, frozenset[str]]
    clips: Mapping[tuple[str, str], Path]
    strata: tuple[str, ...]
    metrics: tuple[MetricInfo, ...]
    scores: tuple[Score, ...]
    dataset: Mapping[str, str]
    notes: tuple[str, ...]
    titles: Mapping[str, str]


def gather(paths: Sequence[Path], *, real: bool) -> Material:
    """Read runs and find the prompts that their systems share.

    Args:
        paths: run directories, or folders that contain them; noise runs are left out.
        real: include the real audio as hidden anchor.

    Raises:
        ReaudioError: no run, no generated system with clips, or no prompt that all systems share.
    """
    runs = [r for r in RunSet.read(paths).newest().runs if r.scores.system.kind != "noise"]
    sources = {r.scores.system.name: dict(r.scores.system.clips) for r in runs if r.scores.system.kind == "generated"}
    without = sorted(name for name, files in sources.items() if not files)
    if without:
        raise ReaudioError(f"The run of {without[0]} names no clips (it came without audio): leave it out.")
    if not sources:
        raise ReaudioError("None of these runs is of a generated system: there is nothing to rate.")
    notes = []
    if real:
        files = _real_clips(runs)
        if files:
            sources[_real_name(sources)] = files
        else:
            notes.append("The runs have no real audio: the test has no hidden anchor.")
    systems = _systems(runs, sources)
    prompts, left_out = _shared(runs, sources)
    notes += left_out
    return Material(
        systems,
        prompts,
        {p.clip_id: frozenset(p.labels if p.labels_known else ()) for p in runs[0].dataset.prompts},
        {(s.name, p.clip_id): sources[s.name][p.clip_id] for s in systems for p in prompts},
        tuple(s.name for s in runs[0].strata if any(p.stratum == s.name for p in prompts)) or ("",),
        metrics_of(runs),
        scores_of(runs, [s.name for s in systems], [p.clip_id for p in prompts]),
        {"name": runs[0].dataset.name, "split": runs[0].dataset.split, "list_sha256": runs[0].dataset.list_sha256},
        tuple(notes),
        stratum_titles(runs[0].strata),
    )


def _real_clips(runs: Sequence[Run]) -> dict[str, Path]:
    for run in runs:
        if run.scores.system.kind == "real" and run.scores.system.clips:
            return dict(run.scores.system.clips)
    return {clip: path for run in reversed(runs) for clip, path in run.dataset.references.items()}


def _real_name(sources: Mapping[str, object]) -> str:
    if REAL in sources:
        raise ReaudioError(
            f"A generated system is called {REAL!r}, which is the anchor's name: rename it, or use --no-real."
        )
    return REAL


def _systems(runs: Sequence[Run], sources: Mapping[str, object]) -> tuple[TestSystem, ...]:
    about = {r.scores.system.name: r.scores.system.description for r in runs}
    names = sorted(sources, key=lambda name: (name == REAL, name))
    return tuple(TestSystem(n, "real" if n == REAL else "generated", about.get(n, "")) for n in names)


def _shared(runs: Sequence[Run], sources: Mapping[str, Mapping[str, Path]]) -> tuple[tuple[TestPrompt, ...], list[str]]:
    """Prompts with the same caption in every run and a file of every system, with notes about the others."""
    captions = [{p.clip_id: p.caption for p in r.dataset.prompts} for r in runs]
    everywhere = {c for c, caption in captions[0].items() if all(other.get(c) == caption for other in captions[1:])}
    union = {c for each in captions for c in each}
    if not everywhere:
        raise ReaudioError("The runs share no prompt (clip id and caption): give runs over the same dataset.")
    notes = []
    if len(everywhere) < len(union):
        notes.append(
            f"Not in every run, or with another caption: {len(union) - len(everywhere):,} of {count(len(union), 'prompt')}; the test "
            f"draws on the {len(everywhere):,} that the runs share."
        )
    missing = {c for c in everywhere if not all(c in files and files[c].is_file() for files in sources.values())}
    usable = everywhere - missing
    if not usable:
        lacking = sorted(n for n, files in sources.items() if not any(c in files and files[c].is_file() for c in everywhere))
        systems = listing(lacking) if lacking else "at least one system"
        raise ReaudioError(f"No prompt has a clip of every system; files of {systems} are missing: restore them.")
    if missing:
        notes.append(
            f"The file of at least one system is missing for {count(len(missing), 'prompt')}, which cannot be chosen."
        )
    first = runs[0]
    strata = {p.clip_id: prompt_stratum(p, first.dataset.n_train, first.strata) for p in first.dataset.prompts}
    if all(strata[c] is None for c in usable):
        return tuple(TestPrompt(c, captions[0][c], "") for c in sorted(usable)), notes
    unlabelled = sum(strata[c] is None for c in usable)
    if unlabelled:
        notes.append(
            f"Labels are not trusted for {count(unlabelled, 'prompt')}, which cannot be chosen: the stratum is not known."
        )
    chosen = [(c, s) for c in sorted(usable) if (s := strata[c]) is not None]
    return tuple(TestPrompt(c, captions[0][c], s.name) for c, s in chosen), notes


def metrics_of(runs: Sequence[Run]) -> tuple[MetricInfo, ...]:
    """Every metric of the runs, once, in their order."""
    return tuple({m.name: m for r in runs for m in r.scores.metrics}.values())


def scores_of(runs: Sequence[Run], systems: Sequence[str], clip_ids: Sequence[str]) -> tuple[Score, ...]:
    """Defined values of these systems: of each clip (label-level metrics averaged over its labels), and of the whole set."""
    wanted = set(clip_ids)
    scores = []
    for run in sorted(runs, key=lambda r: r.scores.system.name):
        name = run.scores.system.name
        if name not in systems:
            continue
        frame = run.scores.scores
        means = frame[frame["clip_id"].isin(wanted)].groupby(["metric", "clip_id"])["value"].mean().dropna()
        scores += [Score(name, r.metric, r.clip_id, float(r.value)) for r in records(means.reset_index())]
        whole = run.scores.set_values
        values = whole[whole["stratum"] == ALL].set_index("metric")["value"].dropna()
        scores += [Score(name, str(m), None, float(v)) for m, v in values.items() if math.isfinite(v)]
    return tuple(scores)


def choose_prompts(material: Material, seed: int, n_prompts: int, per_stratum: int | None) -> tuple[TestPrompt, ...]:
    """A sample of the prompts, spread over the strata as evenly as they allow; the same whatever else is in the runs.

    Args:
        material: from :func:`gather`.
        seed: a stratum's prompts are taken in the order of a hash of (seed, clip id).
        n_prompts: in all, where ``per_stratum`` is None; taken in turns from rare to frequent.
        per_stratum: of each stratum.
    """
    queues = []
    for stratum in reversed(material.strata):
        members = [p for p in material.prompts if p.stratum == stratum]
        queues.append(sorted(members, key=lambda p: hashlib.sha256(f"{seed}\0{p.clip_id}".encode()).hexdigest()))
    if per_stratum is not None:
        chosen = [p for queue in queues for p in queue[:per_stratum]]
    else:
        deepest = max(map(len, queues))
        turns = [queue[i] for i in range(deepest) for queue in queues if i < len(queue)]
        chosen = turns[:n_prompts]
    return tuple(sorted(chosen, key=lambda p: p.clip_id))
