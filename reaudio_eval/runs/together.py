"""Runs put together: their prompts, and their scores on them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.runs.comparable import first_names
from reaudio_eval.runs.directory import Run
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_model.common.errors import ReaudioError


@dataclass(frozen=True)
class Together:
    """Runs of one report.

    Attributes:
        dataset: the prompts of any run, or those that all have.
        scores: of each run on those prompts, in the order of the runs.
        set_clip_ids: the clips that metrics of sets of clips count.
    """

    dataset: Dataset
    scores: tuple[SystemScores, ...]
    set_clip_ids: frozenset[str]

    @property
    def clip_ids(self) -> list[str]:
        return [p.clip_id for p in self.dataset.prompts]


def put_together(runs: Sequence[Run], *, common: bool = False) -> Together:
    """The prompts of several runs, and their scores on them.

    Metrics of clips and labels keep the values of the prompts that each run has. A metric of a set of clips depends on which clips these
    are and how many: it keeps its values where it counts the clips that most of the runs count (with ``common`` exactly the common ones),
    and is undefined with the reason elsewhere.

    Args:
        runs: at least one, comparable (:func:`reaudio_eval.runs.comparable.check`).
        common: only the prompts that all runs have.

    Raises:
        ReaudioError: with ``common``, no prompt that all have.
    """
    clip_ids = common_clips(runs) if common else list(dict.fromkeys(p.clip_id for r in runs for p in r.dataset.prompts))
    counts = Counter(_counted_in_sets(run) for run in runs if not run.scores.set_values.empty)
    sets = counts.most_common(1)[0][0] if counts and not common else frozenset(clip_ids)
    return Together(joined_dataset(runs, clip_ids), tuple(restricted_scores(run, clip_ids, sets) for run in runs), sets)


def common_clips(runs: Sequence[Run]) -> list[str]:
    """Clip ids that all runs have, in the order of the first.

    Raises:
        ReaudioError: there are none.
    """
    lists = [frozenset(p.clip_id for p in run.dataset.prompts) for run in runs]
    common = frozenset.intersection(*lists)
    if not common:
        listed = "; ".join(_describe_list(runs, lists, wanted) for wanted in dict.fromkeys(lists))
        raise ReaudioError(
            f"The runs have no clip in common: {listed}. Leave out --common, or score the systems on the same prompts."
        )
    return [p.clip_id for p in runs[0].dataset.prompts if p.clip_id in common]


def _describe_list(runs: Sequence[Run], lists: Sequence[frozenset[str]], wanted: frozenset[str]) -> str:
    """The runs with this list of clips, and a clip of it."""
    holders = [run for run, clips in zip(runs, lists, strict=True) if clips == wanted]
    names = first_names([run.scores.system.name for run in holders])
    return f"{len(wanted)} clips, such as {min(wanted)!r}: {names} ({holders[0].path})"


def joined_dataset(runs: Sequence[Run], clip_ids: Sequence[str]) -> Dataset:
    """The dataset of the first run with these prompts, each as the first run with it has it; references are those of all runs."""
    prompts = {p.clip_id: p for run in reversed(runs) for p in run.dataset.prompts}
    references = {clip: path for run in reversed(runs) for clip, path in run.dataset.references.items()}
    names = {label: name for run in reversed(runs) for label, name in run.dataset.label_names.items()}
    return dataclasses.replace(
        runs[0].dataset,
        split=" and ".join(dict.fromkeys(run.dataset.split for run in runs)),
        prompts=tuple(prompts[clip_id] for clip_id in clip_ids),
        label_names=names,
        references={clip_id: references[clip_id] for clip_id in clip_ids if clip_id in references},
    )


def _counted_in_sets(run: Run) -> frozenset[str]:
    """The clips that the set metrics of a run count."""
    counted = run.scores.set_clip_ids
    return frozenset(p.clip_id for p in run.dataset.prompts) if counted is None else counted


def restricted_scores(run: Run, clip_ids: Sequence[str], sets: Collection[str]) -> SystemScores:
    """The scores of a run on some clips; those of set metrics where they count exactly ``sets``, else undefined with the reason."""
    kept = set(clip_ids) & {p.clip_id for p in run.dataset.prompts}
    scores = run.scores
    clips = {clip: path for clip, path in scores.system.clips.items() if clip in kept}
    restricted = dataclasses.replace(
        scores,
        system=dataclasses.replace(scores.system, n_clips=len(kept), clips=clips),
        scores=scores.scores[scores.scores["clip_id"].isin(kept)],
    )
    return with_sets(restricted, _counted_in_sets(run), sets)


def with_sets(scores: SystemScores, counted: Collection[str], sets: Collection[str]) -> SystemScores:
    """The scores without those of set metrics, with the reason, where these were computed for other clips than ``sets``.

    Args:
        scores: of a system.
        counted: the clips that its set metrics count.
        sets: those that set metrics count in this report.
    """
    if set(counted) == set(sets) or scores.set_values.empty:
        return scores
    both = len(set(counted) & set(sets))
    reason = (
        f"A value of a set of clips, stored for {len(counted)} clips, {both} of which are among the {len(sets)} that such values count "
        "here: score the systems in one command to have it."
    )
    undefined = {m.name: reason for m in scores.metrics if m.level == "set"}
    return dataclasses.replace(scores, set_values=scores.set_values.iloc[:0], undefined={**scores.undefined, **undefined})
