"""Scores of the package beside finished runs of bundled models."""

from __future__ import annotations

from collections.abc import Sequence

from reaudio_eval.clips.retrieval import control_of
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.evaluations.alerts import mapping
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.runs.bundled import known_baselines
from reaudio_eval.runs.comparable import protocol_name
from reaudio_eval.runs.directory import Run
from reaudio_eval.runs.together import Together, with_sets
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import Alert
from reaudio_eval.statistics.class_table import all_metrics


def packaged_scores(
    runs: Sequence[Run], together: Together, strata: Sequence[Stratum]
) -> tuple[list[SystemScores], list[Alert]]:
    """Scores that come with the package and belong beside these runs, and why others are left out.

    Args:
        runs: of bundled models, or of others, which have none.
        together: their prompts and scores.
        strata: of the analysis.
    """
    first = runs[0]
    systems = [r.scores.system for r in runs]
    found, left_out = known_baselines(
        together.dataset,
        [s.name for s in systems],
        clip_ids=together.clip_ids,
        metrics=all_metrics(together.scores),
        protocol=protocol_name(first),
        strata=strata,
        sampling=_sampling(runs),
        selection=first.manifest.get("selection") is not None,
        control=control_of(systems),
    )
    return [with_sets(scores, together.clip_ids, together.set_clip_ids) for scores in found], left_out


def _sampling(runs: Sequence[Run]) -> Sampling:
    """The sampling settings of the runs, by the first that stores them; runs of older versions may not."""
    every = [mapping(run.manifest.get("sampling")) for run in runs]
    stored = next((each for each in every if each.get("steps") is not None), {})
    known = {name: stored.get(name) for name in ("steps", "candidates", "scheduler", "eta", "dtype", "peak")}
    known["guidance"] = stored.get("guidance", stored.get("guidance_scale"))
    return Sampling.of({name: value for name, value in known.items() if value is not None})
