"""Scores of an evaluation joined with those of tables."""

from __future__ import annotations

import dataclasses

from reaudio_eval.clips.system import SYSTEM_KINDS
from reaudio_eval.scores.evaluate import Evaluation
from reaudio_eval.scores.external.scores import ExternalScores
from reaudio_eval.scores.system_scores import ScoredClips, SystemScores


def with_external(evaluation: Evaluation, external: ExternalScores, seed: int) -> Evaluation:
    """The evaluation with the scores of tables: metrics of the systems that it has, and systems of their own behind these.

    A system then counts its clips and the prompts with a value in a table; metrics of sets of clips count what they did.

    Args:
        evaluation: of the systems with clips; without systems where there are none.
        external: scores of prompts of the evaluation.
        seed: of the evaluation.
    """
    own = evaluation.clips
    scored = [_joined(scores, own[scores.system.name], external) for scores in evaluation.scores]
    names = {scores.system.name for scores in evaluation.scores}
    alone = [external.alone(name, seed) for name in external.scores if name not in names]
    alone.sort(key=lambda scores: SYSTEM_KINDS.index(scores.system.kind))
    sets = evaluation.set_clip_ids
    clips = {s.system.name: ScoredClips(_counted(own[s.system.name].own, s, external), sets) for s in scored}
    clips |= {s.system.name: ScoredClips(_counted((), s, external), ()) for s in alone}
    return dataclasses.replace(evaluation, scores=(*scored, *alone), clips=clips)


def _counted(own: tuple[str, ...], scores: SystemScores, external: ExternalScores) -> tuple[str, ...]:
    return tuple(sorted({*own, *external.clip_ids(scores.system.name)}))


def _joined(scores: SystemScores, clips: ScoredClips, external: ExternalScores) -> SystemScores:
    own = _counted(clips.own, scores, external)
    system = dataclasses.replace(scores.system, n_clips=len(own))
    sets = None if own == clips.sets else frozenset(clips.sets)
    return dataclasses.replace(external.joined(scores), system=system, set_clip_ids=sets)
