"""Rules for comparing runs: what must be equal, and what is noted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from reaudio_eval.clips.system import SYSTEM_KINDS
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.runs.directory import Run
from reaudio_eval.runs.find import RunSet
from reaudio_eval.statistics.analysis import Alert
from reaudio_model.common.errors import ReaudioError

REAL_TOLERANCE = 1e-3  # relative; the same recording decoded and embedded twice agrees better
SHOWN = 3  # names in a message
HASH = 10  # characters of a checksum in a message
SET_METRICS = "FAD, FD, IS and KAD"


def read_runs(paths: Sequence[Path]) -> tuple[list[Run], list[Alert]]:
    """The runs to compare, in the order given, each once.

    A run directory that is named itself is always taken. Of the runs below a folder, those over chosen prompts and those that a newer
    version of the scoring code replaced are left out.

    Returns:
        The runs, and notes on those left out.

    Raises:
        ReaudioError: no run at or below a path, or a damaged one.
    """
    runs: dict[Path, Run] = {}
    alerts: list[Alert] = []
    for path in paths:
        every = RunSet.read([path])
        complete = every.over_all_prompts(or_chosen=True)
        kept = complete.current()
        left_out = {
            "they are of chosen prompts only (name them to compare them)": every.paths_not_in(complete),
            "a newer version of the scoring code scored the same again": complete.paths_not_in(kept),
        }
        alerts += [
            Alert("note", f"Left out, since {why}: {', '.join(map(str, where))}.")
            for why, where in left_out.items()
            if where
        ]
        for run in kept.runs:
            runs.setdefault(run.path.resolve(), run)
    return list(runs.values()), alerts


def distinct(runs: Sequence[Run]) -> list[Run]:
    """Runs with distinct names: with the seed where seeds differ, else with the folder of the evaluation, else with the hash of the run.

    Only the first run of real audio and of noise is kept. Generated systems come first, then these.
    """
    landmarks: set[str] = set()
    groups: dict[str, list[Run]] = {}
    kept = []
    for run in runs:
        kind = run.scores.system.kind
        if kind != "generated" and kind in landmarks:
            continue
        landmarks.add(kind)
        groups.setdefault(run.scores.system.name, []).append(run)
        kept.append(run)
    names = {id(run): name for group in groups.values() for run, name in zip(group, _names(group), strict=True)}
    return [_renamed(run, names[id(run)]) for kind in SYSTEM_KINDS for run in kept if run.scores.system.kind == kind]


def _names(group: Sequence[Run]) -> list[str]:
    name = group[0].scores.system.name
    if len(group) == 1:
        return [name]
    suffixes: tuple[Callable[[Run], str], ...] = (
        lambda run: f"seed {run.scores.seed}",
        lambda run: run.path.resolve().parents[3].name,  # OUTPUT/runs/DATASET/SYSTEM/HASH
        lambda run: run.path.name[:7],
    )
    for suffix in suffixes:
        marks = [suffix(run) for run in group]
        if len(set(marks)) == len(marks):
            return [f"{name} ({mark})" for mark in marks]
    order = sorted(str(run.path.resolve()) for run in group)
    return [f"{name} ({order.index(str(run.path.resolve())) + 1})" for run in group]


def _renamed(run: Run, name: str) -> Run:
    system = run.scores.system
    audit = {name if key == system.name else key: entry for key, entry in run.audit.items()}
    scores = dataclasses.replace(run.scores, system=dataclasses.replace(system, name=name))
    return dataclasses.replace(run, scores=scores, audit=audit)


def check(runs: Sequence[Run]) -> None:
    """Refuse runs whose numbers mean different things.

    Raises:
        ReaudioError: naming the first thing that differs: protocol, checkpoint of an embedder, caption or labels of a clip, training
            counts.
    """
    for a, b in combinations(runs, 2):
        for differing in _differences(a, b):
            raise ReaudioError(
                f"{a.path} and {b.path} cannot be compared: {differing}. Score both systems with the same settings."
            )


def _differences(a: Run, b: Run) -> Iterator[str]:
    protocols = [protocol_name(run) for run in (a, b)]
    if protocols[0] != protocols[1]:
        yield f"their protocols differ ({protocols[0]} and {protocols[1]})"
    known_metrics = {m.name: m for m in a.scores.metrics}
    for metric in b.scores.metrics:
        other = known_metrics.get(metric.name, metric).embedder_sha256
        if other and metric.embedder_sha256 and other != metric.embedder_sha256:
            yield (
                f"{metric.name} comes from different checkpoints of {metric.embedder} "
                f"(sha256 {other[:HASH]}... and {metric.embedder_sha256[:HASH]}...)"
            )
    known = {p.clip_id: p for p in a.dataset.prompts}
    for prompt in b.dataset.prompts:
        if prompt.clip_id in known:
            yield from _prompt_differences(known[prompt.clip_id], prompt)
    counts = a.dataset.train_counts, b.dataset.train_counts
    different = sorted(x for x in counts[0].keys() | counts[1].keys() if counts[0].get(x, 0) != counts[1].get(x, 0))
    if different:
        shown = different[0]
        yield (
            f"their training counts differ for {len(different)} labels, such as {shown!r} "
            f"({counts[0].get(shown, 0)} and {counts[1].get(shown, 0)} clips)"
        )


def protocol_name(run: Run) -> str:
    """Name of the protocol (waveform and metric conventions) of a run."""
    protocol = run.manifest.get("protocol", "unknown")
    return str(protocol.get("name") if isinstance(protocol, Mapping) else protocol)


def _prompt_differences(a: Prompt, b: Prompt) -> Iterator[str]:
    if a.caption != b.caption:
        yield f"clip {a.clip_id!r} has different captions ({a.caption!r} and {b.caption!r})"
    if sorted(a.labels) != sorted(b.labels) or a.labels_known != b.labels_known:
        yield f"clip {a.clip_id!r} has different labels"


def notes(runs: Sequence[Run]) -> list[Alert]:
    """Differences between runs that do not prevent a comparison, and runs that cannot be verified."""
    texts = _unverified(runs)
    if len({run.manifest.get("code_sha256") for run in runs}) > 1:
        versions_of_code = _by(
            runs, lambda r: f"{r.manifest.get('reaudio_eval', '?')} ({str(r.manifest.get('code_sha256', '?'))[:HASH]})"
        )
        texts.append(
            f"The runs were scored by different versions of the scoring code: {versions_of_code}. If a difference matters, score all "
            "of them with one version."
        )
    generated = [run for run in runs if run.scores.system.kind == "generated"]
    if len({run.scores.seed for run in generated}) > 1:
        seeds = _by(generated, lambda r: f"seed {r.scores.seed}")
        texts.append(
            f"The runs have different seeds: {seeds}. Differences between seeds are part of every difference between these systems, "
            f"and {SET_METRICS} of different seeds have no paired test, since their jackknife left out different clips."
        )
    versions = [run.manifest.get("packages", {}) for run in runs]
    for name in sorted({name for table in versions for name in table}):
        if len({table.get(name) for table in versions}) > 1:
            by_version = _by(runs, lambda r, name=name: str(r.manifest.get("packages", {}).get(name)))  # type: ignore[misc]
            texts.append(f"The runs were scored with different versions of {name}: {by_version}.")
    return [Alert("note", text) for text in texts]


def _unverified(runs: Sequence[Run]) -> list[str]:
    """A sentence on the runs whose files have no digests."""
    found = [str(run.path) for run in runs if not run.verified]
    if not found:
        return []
    return [
        f"{len(found)} of {len(runs)} runs were written by a version that stored no checksums, so a change of their files would not "
        f"be seen: {first_names(found)}. Score them again to have checksums."
    ]


def first_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _by(runs: Sequence[Run], key: Callable[[Run], str]) -> str:
    groups: dict[str, list[str]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run.scores.system.name)
    return "; ".join(f"{value}: {', '.join(names)}" for value, names in groups.items())


def reference_files_alerts(runs: Sequence[Run]) -> list[Alert]:
    """Whether runs over the same clips were compared with the same files of real audio, by the digests in their manifests."""
    first: dict[str, tuple[str, Run]] = {}
    for run in runs:
        content = run.manifest.get("content")
        digest = content.get("reference") if isinstance(content, Mapping) else None
        if not isinstance(digest, str):  # without references, or of an older version
            continue
        known, other = first.setdefault(run.manifest["clip_ids_sha256"], (digest, run))
        if known != digest:
            return [
                Alert(
                    "warning",
                    f"The files of real audio changed between {other.path} and {run.path}: unless they hold the same sound, KL, "
                    f"{SET_METRICS} of those runs have different targets. Score the systems in one command.",
                    first_screen=True,
                )
            ]
    return []


def reference_alerts(runs: Sequence[Run], clip_ids: Sequence[str]) -> list[Alert]:
    """Whether the real audio of several evaluations has the same scores, clip by clip; if not, the references differ."""
    real = [run for run in runs if run.scores.system.kind == "real"]
    tables = [
        r.scores.scores[r.scores.scores["clip_id"].isin(clip_ids)].set_index(["clip_id", "metric", "label"])["value"]
        for r in real
    ]
    for run, table in zip(real[1:], tables[1:], strict=True):
        both = tables[0].index.intersection(table.index)
        a, b = tables[0].reindex(both).to_numpy(dtype=np.float64), table.reindex(both).to_numpy(dtype=np.float64)
        differs = ~np.isclose(a, b, rtol=REAL_TOLERANCE, atol=REAL_TOLERANCE, equal_nan=True)
        if differs.any():
            clips = len({clip for clip, differs_here in zip(both.get_level_values(0), differs, strict=True) if differs_here})
            return [
                Alert(
                    "warning",
                    f"The real audio scores differently in {real[0].path} and {run.path} on {clips} of {len(clip_ids)} clips: their "
                    f"references are not the same recordings, so KL, {SET_METRICS} of those runs have different targets.",
                )
            ]
    return []
