"""Plan and run of the scores of two folders."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.alerts import evaluation_alerts
from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.folder_pair import GENERATED, folder_pair, without_labels
from reaudio_eval.evaluations.folders.request import ScoreRequest
from reaudio_eval.evaluations.folders.result import FolderScores
from reaudio_eval.evaluations.options import scoring_options
from reaudio_eval.evaluations.planning import planned_metrics
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.datasets._tables import AUDIOSET, read_class_list
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs.directory import overall_json
from reaudio_eval.scores.binding import require_any
from reaudio_eval.scores.evaluate import Evaluation, Options, Tools, evaluate, prepare
from reaudio_eval.statistics.analysis import Alert
from reaudio_eval.statistics.longtail import analyse
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True)
class ScorePlan:
    """The request, and the clips, embedders and metrics."""

    request: ScoreRequest
    options: Options
    dataset: Dataset
    system: SystemInfo
    tools: Tools

    def to_json(self) -> Json:
        return {
            "protocol": self.options.protocol,
            "n_generated": len(self.system.clips),
            "n_reference": len(self.dataset.references),
            "n_names_in_both": len(self.system.clips.keys() & self.dataset.references.keys()),
            "embedders": {name: str(e.checkpoint) for name, e in self.tools.embedders.items()},
            "metrics": planned_metrics(self.tools.metrics),
            "cache_dir": str(self.options.cache_dir),
        }


def plan(request: ScoreRequest, reporter: Reporter) -> ScorePlan:
    """Pair the files and choose embedders and metrics.

    Raises:
        ReaudioError: a folder is missing or empty, no name is in both, or a caption is missing.
    """
    options = scoring_options(request.measures, request.machine, request.seed)
    return ScorePlan(request, options, *_prepare(request, options))


def run(plan: ScorePlan, reporter: Reporter) -> FolderScores:
    """Score the folders.

    Raises:
        ReaudioError: see :func:`reaudio_eval.scores.evaluate.evaluate`.
    """
    strata = strata_scheme("log10", {})
    evaluation = evaluate([plan.system], plan.dataset, strata, plan.tools, plan.options, reporter)
    analysis = analyse(evaluation.scores, plan.dataset, strata)
    return FolderScores(
        plan.options.protocol,
        len(evaluation.clip_ids),
        overall_json(analysis, GENERATED),
        evaluation.audit,
        analysis,
        tuple(_alerts(plan, evaluation)),
    )


def _alerts(plan: ScorePlan, evaluation: Evaluation) -> list[Alert]:
    """The notes on rows that were left out are warnings here, which a terminal shows: there is no page."""
    dataset = dataclasses.replace(plan.dataset, notes=())
    left_out = [Alert("warning", note) for note in plan.dataset.notes]
    return [*left_out, *evaluation_alerts(dataset, [plan.system], evaluation, plan.tools)]


def _prepare(request: ScoreRequest, options: Options) -> tuple[Dataset, SystemInfo, Tools]:
    dataset, system = folder_pair(request.folders)
    if request.class_list is not None:
        classes = read_class_list(request.class_list)
        dataset = dataclasses.replace(
            dataset, vocabulary=classes.ids, vocabulary_name=AUDIOSET, class_names=classes.ordered_names
        )
    tools = prepare(options, dataset)
    metrics = without_labels(tools.metrics)
    require_any(metrics)
    return dataset, system, Tools(tools.embedders, metrics)
