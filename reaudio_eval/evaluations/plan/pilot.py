"""Pilot of a plan: the two systems, their metric and spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from reaudio_eval.clips.roles import asked, competing, controls
from reaudio_eval.evaluations.packaged import packaged_scores
from reaudio_eval.evaluations.plan.request import PlanRequest
from reaudio_eval.evaluations.roles import scores_against
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.runs import comparable
from reaudio_eval.runs.find import RunSet
from reaudio_eval.runs.together import put_together
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.class_table import all_metrics, class_table
from reaudio_eval.statistics.computed import metrics_with_values
from reaudio_eval.statistics.families import confirmatory_family
from reaudio_eval.statistics.margins import n_margin_tests
from reaudio_eval.statistics.pilot import Pilot, pilot_spread
from reaudio_eval.statistics.primary import choose_primary, default_primary
from reaudio_eval.statistics.thresholds import MIN_CLASSES
from reaudio_model.common.errors import ReaudioError, one_of


@dataclass(frozen=True)
class PilotPair:
    """Two systems of a pilot and the spread of their difference.

    Attributes:
        system, baseline: names.
        metric: in whose unit everything is.
        found: the spread, and the difference as observed.
        n_tests: of the confirmatory family of a report of these runs; of the tests of a margin where there is one.
    """

    system: str
    baseline: str
    metric: MetricInfo
    found: Pilot
    n_tests: int


def read_pilot(request: PlanRequest) -> PilotPair:
    """The pilot of a request with runs.

    Raises:
        ReaudioError: runs that cannot be read or compared, no two systems to compare, or see
            :func:`reaudio_eval.statistics.pilot.pilot_spread`.
        UnknownNameError: no such system or metric.
    """
    runs = RunSet.read(request.runs).for_report().runs
    comparable.check(runs)
    together, strata = put_together(runs), runs[0].strata
    packaged, _ = packaged_scores(runs, together, strata)
    scores = scores_against([*together.scores, *packaged], request.baseline)
    system, baseline = _sides(scores, request)
    metric = _metric(request.metric, together.dataset.name, [system, baseline])
    found = pilot_spread(system, baseline, metric, together.dataset, strata, request.seed_sd)
    n_tests = _n_tests(metric, scores, together.dataset, strata, margin=request.margin is not None)
    return PilotPair(system.system.name, baseline.system.name, metric, found, n_tests)


def _sides(scores: Sequence[SystemScores], request: PlanRequest) -> tuple[SystemScores, SystemScores]:
    by_name = {each.system.name: each for each in scores if each.system.kind != "noise"}
    infos = [each.system for each in scores]
    baselines = [s.name for s in controls(infos)]
    baseline = request.baseline or next(iter(baselines), None)
    others = [s.name for s in asked(infos) if s.name != baseline]
    if request.system is not None:
        one_of("system", request.system, by_name)
        others = [request.system]
    if baseline is None and len(competing(infos)) == 2:
        baseline = next(name for name in competing(infos) if name not in others[:1])
        others = others[:1]
    if baseline is None:
        raise ReaudioError(
            f"No system of the pilot is a control: name the one to compare with by --baseline ({', '.join(by_name)})."
        )
    if not others or others == [baseline]:
        raise ReaudioError(f"The pilot has no system beside {baseline}: name runs of two systems.")
    if len(others) > 1:
        raise ReaudioError(f"The pilot has several systems: name the one to plan for by --system ({', '.join(others)}).")
    return by_name[others[0]], by_name[baseline]


def _metric(wanted: str | None, dataset: str, scores: Sequence[SystemScores]) -> MetricInfo:
    """The metric asked for, else the primary metric of a report of these systems, among those that both have."""
    known = set.intersection(*map(metrics_with_values, scores))
    shared = {m.name: m for m in all_metrics(scores) if m.name in known}
    metrics = {name: m for name, m in shared.items() if m.level != "set"}
    if not metrics:
        raise ReaudioError(
            "The systems of the pilot share no metric of clips or labels, which a plan needs: score both with one."
        )
    if wanted is not None:
        return shared[one_of("metric", wanted, shared)]
    usual = default_primary(dataset, scores)
    values = pd.DataFrame({"metric": list(metrics), "value": 0.0})  # every one has some
    chosen = choose_primary(list(metrics.values()), values, usual if usual in metrics else None)
    assert chosen is not None
    return chosen


def _n_tests(
    metric: MetricInfo, scores: Sequence[SystemScores], dataset: Dataset, strata: Sequence[Stratum], *, margin: bool
) -> int:
    systems = [each.system for each in scores]
    family = confirmatory_family(metric, systems, class_table(dataset, strata), MIN_CLASSES)
    if margin:
        return max(1, n_margin_tests(family, {s.name: s.role for s in systems}))
    return max(1, len(family.pairs) * len(family.quantities))
