"""Plan and run of the scores of two folders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.alerts import evaluation_alerts
from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.folders.request import ScoreRequest
from reaudio_eval.evaluations.folders.result import FolderScores
from reaudio_eval.evaluations.options import scoring_options
from reaudio_eval.evaluations.planning import planned_metrics
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.datasets._tables import read_captions
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs.directory import overall_json
from reaudio_eval.scores.binding import require_any
from reaudio_eval.scores.evaluate import EXAMPLES, Evaluation, Options, Tools, evaluate, prepare
from reaudio_eval.statistics.analysis import Alert
from reaudio_eval.statistics.longtail import analyse
from reaudio_model.common.audio import find_clips
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter

GENERATED = "generated"


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
    generated, reference, limit = request.generated, request.reference, request.limit
    ours, real = find_clips(generated), find_clips(reference)
    both = sorted(ours.keys() & real.keys())
    if not both:
        raise ReaudioError(
            f"{generated} and {reference} have no file name in common: {_examples(ours)} against {_examples(real)}. "
            "Files pair by name without suffix."
        )
    names = sorted(ours.keys() | real.keys()) if limit is None else both[:limit]
    captions, notes = _captions(request, names, both)
    prompts = tuple(Prompt(n, c, labels_known=False) for n, c in captions.items())
    chosen = set(captions)
    references = {n: p for n, p in real.items() if n in chosen}
    dataset = Dataset("folder", "all", prompts, {}, {}, references, notes=notes)
    system = SystemInfo(GENERATED, "generated", len(ours), {n: p for n, p in ours.items() if n in chosen})
    tools = prepare(options, dataset)
    # There are neither labels nor retrieved clips: metrics that need them would only be undefined.
    metrics = tuple(m for m in tools.metrics if not {"labels", "neighbours"} & m.definition.needs)
    require_any(metrics)
    return dataset, system, Tools(tools.embedders, metrics)


def _examples(clips: Mapping[str, Path]) -> str:
    return ", ".join(repr(path.name) for path in list(clips.values())[:EXAMPLES])


def _captions(request: ScoreRequest, names: Sequence[str], both: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The caption of each clip, and notes; clips whose row was left out of the table are left out, too."""
    path = request.captions
    if path is None:
        return dict.fromkeys(names, ""), ()
    found = read_captions(path, skip=request.skip_bad_rows)
    table = {p.clip_id: p.caption for p in found.prompts}
    missing = [n for n in both if n not in table]
    if missing and not found.notes:
        shown = ", ".join(map(repr, missing[:EXAMPLES]))
        raise ReaudioError(f"{path} has no caption for {len(missing)} of {len(both)} clips, such as {shown}.")
    without = set(missing)
    left_out = (f"{len(missing)} of {len(both)} clips have no caption after rows were left out, and are left out too.",)
    return {n: table.get(n, "") for n in names if n not in without}, found.notes + left_out * bool(missing)
