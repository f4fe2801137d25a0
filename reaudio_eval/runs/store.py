"""Run directories of one evaluation: which are finished, and writing the others."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reaudio_eval.clips.retrieval import Compared, neighbours_sha256, retrieval_sha256
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.features.protocols import get_protocol
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.runs import provenance
from reaudio_eval.runs.directory import overall_json, read_run, run_path, write_run
from reaudio_eval.runs.manifest import SCHEMA_VERSION, DamagedRunError, Json, is_finished
from reaudio_eval.scores.evaluate import Evaluation, Options, Tools
from reaudio_eval.scores.external.scores import NO_SCORES, ExternalScores
from reaudio_eval.scores.inputs import REFERENCE
from reaudio_eval.scores.retrieved_features import NEIGHBOURS
from reaudio_eval.scores.system_scores import ScoredClips, SystemScores
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True)
class ScoringPlan:
    """What is scored and how, known before work starts.

    Attributes:
        dataset: with the prompts that are scored.
        strata: by label frequency; ``strata_scheme`` is their name or edges as asked for.
        tools: embedders and metrics.
        options: seed, protocol, machine.
        sampling: settings of the models that generate.
        output: folder of clips, run directories and report.
        overwrite: finished runs are kept ("only-missing"), made anew ("always"), or an error ("never").
        selection: which prompts were chosen, where not all of the split; a run over chosen prompts is not part of a long-tail report.
        request: the options that were given, by name.
        external: scores of tables, of prompts of the dataset and others.
        common: every system is scored only on the prompts that all have.
    """

    dataset: Dataset
    strata: tuple[Stratum, ...]
    strata_scheme: str
    tools: Tools
    options: Options
    sampling: Sampling
    output: Path
    overwrite: Literal["never", "only-missing", "always"] = "only-missing"
    selection: str | None = None
    request: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    external: ExternalScores = NO_SCORES
    common: bool = False

    @property
    def of_some_prompts(self) -> bool:
        """Whether the user asked for some of the prompts only."""
        return self.selection is not None or any(self.request.get(name) for name in ("limit", "sample"))


class RunStore:
    """The run directories of one plan.

    Args:
        plan: what is scored.
        neighbours: system -> the retrieved clips that its clips are compared with.
        reporter: says which finished runs are made anew because they are damaged.
    """

    def __init__(
        self, plan: ScoringPlan, neighbours: Mapping[str, Compared] | None = None, reporter: Reporter | None = None
    ) -> None:
        self.plan = plan
        self.neighbours = neighbours or {}
        self.reporter = reporter or Reporter(quiet=True)
        self.reused: dict[str, Json] = {}  # system -> manifest of its finished run
        self.started = datetime.datetime.now(datetime.UTC)

    def config(self, system: SystemInfo, clips: ScoredClips, content: Mapping[str, Mapping[str, str]]) -> Json:
        """Everything a system's numbers depend on."""
        dataset, tools, options = self.plan.dataset, self.plan.tools, self.plan.options
        clip_ids = self._counted(system.name, clips)
        wanted, external = set(clip_ids), self.plan.external.restricted(clip_ids)
        played = (*system.by_seed, REFERENCE) if system.name in content else ()
        files = {name: {c: content[name][c] for c in clip_ids if c in content[name]} for name in played if name in content}
        return {
            "schema_version": SCHEMA_VERSION,
            "code": provenance.scoring_code(tools, external=bool(external.clip_ids(system.name))),
            "external": external.sha256(system.name) if external.clip_ids(system.name) else None,
            "prompts": sorted(
                [p.clip_id, p.caption, sorted(p.labels), p.labels_known, p.source_id, p.split]
                for p in dataset.prompts
                if p.clip_id in wanted
            ),
            "train_counts": dict(dataset.train_counts),
            "pool_counts": None if dataset.pool_counts is None else dict(dataset.pool_counts),
            "label_names": dict(dataset.label_names),
            "vocabulary": [dataset.vocabulary_name, *dataset.vocabulary],
            "class_names": list(dataset.class_names),
            "propagated": dataset.propagated,
            "system": system.kind,
            "files": files,
            "set_clips": None if clips.sets == clip_ids else list(clips.sets),
            "protocol": dataclasses.asdict(get_protocol(options.protocol)),
            "embedders": {name: dict(e.origin.settings) for name, e in tools.embedders.items()},
            "metrics": [[m.info.name, m.unavailable is None] for m in tools.metrics],
            "strata": [s.to_json() for s in self.plan.strata],
            "seed": options.seed,
            "neighbours": self._neighbours(system, clip_ids, content.get(NEIGHBOURS, {})),
            "retrieval": None if system.retrieval is None else retrieval_sha256(system.retrieval, clip_ids),
        }

    def _neighbours(self, system: SystemInfo, clip_ids: Sequence[str], content: Mapping[str, str]) -> Json | None:
        """Names and bytes of the clips that a system's clips are compared with."""
        if system.name not in self.neighbours:
            return None
        of = self.neighbours[system.name]
        return {"of": of.system} | {
            c: [[n.pair.clip_id, content.get(str(n.pair.audio))] for n in of.neighbours.get(c, ())] for c in clip_ids
        }

    def _counted(self, system: str, clips: ScoredClips) -> tuple[str, ...]:
        """The clips of a run: those that were scored, and those with a value in a table."""
        return clips.own if self.plan.common else tuple(sorted({*clips.own, *self.plan.external.clip_ids(system)}))

    def path(self, system: SystemInfo, clips: ScoredClips, content: Mapping[str, Mapping[str, str]]) -> Path:
        """The run directory of a system."""
        config = self.config(system, clips, content)
        return run_path(self.plan.output, self.plan.dataset.name, system.name, config)

    def reuse(self, system: SystemInfo, clips: ScoredClips, content: Mapping[str, Mapping[str, str]]) -> SystemScores | None:
        """Scores of a finished run with the same configuration; None if there is none, or a damaged one, which is made anew."""
        path = self.path(system, clips, content)
        if self.plan.overwrite == "always" or not is_finished(path):
            return None
        if self.plan.overwrite == "never":
            raise ReaudioError(f"{path} exists already; choose another --output or --overwrite only-missing.")
        try:
            run = read_run(path)
            self.reused[system.name] = run.manifest
            return dataclasses.replace(run.scores, system=system)
        except DamagedRunError as error:
            self.reporter.note(f"{system.name} is scored again. {error}")
            return None

    def write(
        self,
        evaluation: Evaluation,
        analysis: LongtailAnalysis,
        about: Mapping[str, Any],
        more: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> tuple[Path, ...]:
        """Write the runs that are not there, or not whole, and return their folders; ``more``: system name -> further manifest entries."""
        return tuple(
            self._write_one(scores, evaluation, analysis, {**about, **(more or {}).get(scores.system.name, {})})
            for scores in evaluation.scores
        )

    def _write_one(
        self, scores: SystemScores, evaluation: Evaluation, analysis: LongtailAnalysis, about: Mapping[str, Any]
    ) -> Path:
        name = scores.system.name
        clips = evaluation.clips[name]
        path = self.path(scores.system, clips, evaluation.content)
        manifest = {
            "created": self.started.isoformat(timespec="milliseconds"),
            "seconds": round((datetime.datetime.now(datetime.UTC) - self.started).total_seconds(), 1),
            "seed": self.plan.options.seed,
            "clip_ids_sha256": canonical_sha256(list(clips.own)),
            "selection": self.plan.selection,
            "content": _content(evaluation, scores.system),
            **about,
            "sampling": None if scores.system.sampling is None else dict(scores.system.sampling),
        }
        if analysis.margin is not None:
            manifest |= {"margin": dataclasses.asdict(analysis.margin)}
        if name in self.neighbours:
            manifest |= {"neighbours_sha256": neighbours_sha256(self.neighbours[name], clips.own)}
        audited = (*scores.system.by_seed, REFERENCE, NEIGHBOURS)
        audit = {each: evaluation.audit[each] for each in audited if each in evaluation.audit}
        dataset = with_prompts(self.plan.dataset, clips.own)
        metrics = overall_json(analysis, name)
        request = _yaml(self.plan.request) if self.plan.request else None
        keep = self.plan.overwrite == "only-missing"
        write_run(path, scores, dataset, self.plan.strata, metrics, audit, manifest, request=request, unless_whole=keep)
        return path


def _content(evaluation: Evaluation, system: SystemInfo) -> dict[str, str]:
    """SHA-256 over the files of the scored clips of a system and of the real audio, by "clips" and "reference"; clips of the seeds after
    the first by "clips (seed N)"."""
    names = {f"clips{name.removeprefix(system.name)}": name for name in system.by_seed} | {"reference": REFERENCE}
    files = {key: evaluation.content[name] for key, name in names.items() if name in evaluation.content}
    clip_ids = evaluation.clips[system.name].own
    return {key: canonical_sha256([[c, found.get(c)] for c in clip_ids]) for key, found in files.items()}


def _yaml(options: Mapping[str, Any]) -> bytes:
    import yaml

    return yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True).encode()


def run_provenance(plan: ScoringPlan, evaluation: Evaluation) -> Json:
    """Where the numbers come from, for the report and the manifests."""
    protocol, dataset = get_protocol(plan.options.protocol), plan.dataset
    external = {"score_tables": [dict(table) for table in plan.external.tables]} if plan.external.tables else {}
    return {
        **provenance.describe(plan.options.device, plan.tools),
        "dataset_detail": {
            "name": dataset.name,
            "split": dataset.split,
            "n_prompts": len(dataset.prompts),
            "n_scored": len(evaluation.clip_ids),
            "list_sha256": dataset.list_sha256,
            "labels_propagated": dataset.propagated,
        },
        **({"protocol": {"name": protocol.name, "source": protocol.source}} if plan.tools.metrics else {}),
        **external,
        "embedders": {
            name: {
                "checkpoint": e.checkpoint.name,
                "sha256": e.sha256,
                "sample_rate": e.sample_rate,
                "published": e.published,
                "notes": list(e.checkpoint_notes),
            }
            for name, e in plan.tools.embedders.items()
        },
        "strata_scheme": plan.strata_scheme,
    }


def scored_only(dataset: Dataset, evaluation: Evaluation) -> Dataset:
    """The dataset with the prompts that were scored in any system."""
    return with_prompts(dataset, evaluation.clip_ids)


def with_prompts(dataset: Dataset, clip_ids: Sequence[str]) -> Dataset:
    """The dataset with these prompts alone, in its order."""
    kept = set(clip_ids)
    return dataclasses.replace(dataset, prompts=tuple(p for p in dataset.prompts if p.clip_id in kept))
