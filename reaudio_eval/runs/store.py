"""The run directories of one evaluation: which are finished, and writing the others."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reaudio_eval.clips.retrieval import Compared, neighbours_sha256, retrieval_sha256
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.longtail.plan import LongtailRequest, Plan
from reaudio_eval.features.protocols import get_protocol
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.runs import provenance
from reaudio_eval.runs.directory import SCHEMA_VERSION, Json, is_finished, overall_json, read_run, run_path, write_run
from reaudio_eval.scores.evaluate import REFERENCE, Evaluation, Options
from reaudio_eval.scores.retrieved_features import NEIGHBOURS
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256


class RunStore:
    """Run directories of one request: which are finished, and writing the others."""

    def __init__(
        self, request: LongtailRequest, options: Options, todo: Plan, neighbours: Mapping[str, Compared] | None = None
    ) -> None:
        self.request = request
        self.options = options
        self.todo = todo
        self.neighbours = neighbours or {}
        self.started = datetime.datetime.now(datetime.UTC)

    def config(self, system: SystemInfo, clip_ids: Sequence[str], content: Mapping[str, Mapping[str, str]]) -> Json:
        """Everything a system's numbers depend on."""
        dataset, tools = self.todo.dataset, self.todo.tools
        wanted = set(clip_ids)
        files = {name: {c: content[name][c] for c in clip_ids} for name in (system.name, REFERENCE) if name in content}
        return {
            "schema_version": SCHEMA_VERSION,
            "code": provenance.code_sha256(),
            "prompts": sorted(
                [p.clip_id, p.caption, sorted(p.labels), p.labels_known] for p in dataset.prompts if p.clip_id in wanted
            ),
            "train_counts": dict(dataset.train_counts),
            "system": system.kind,
            "files": files,
            "protocol": dataclasses.asdict(get_protocol(self.options.protocol)),
            "embedders": {name: e.sha256 for name, e in tools.embedders.items()},
            "metrics": [[m.info.name, m.unavailable is None] for m in tools.metrics],
            "strata": [dataclasses.asdict(s) for s in self.todo.strata],
            "seed": self.options.seed,
            "neighbours": self._neighbours(system, clip_ids, content.get(NEIGHBOURS, {})),
            "retrieval": None if system.retrieval is None else retrieval_sha256(system.retrieval, clip_ids),
        }

    def _neighbours(self, system: SystemInfo, clip_ids: Sequence[str], content: Mapping[str, str]) -> Json | None:
        """What a system's clips are compared with: the names and the bytes of the clips."""
        if system.name not in self.neighbours:
            return None
        of = self.neighbours[system.name]
        return {"of": of.of} | {
            c: [[n.pair.clip_id, content.get(str(n.pair.audio))] for n in of.neighbours.get(c, ())] for c in clip_ids
        }

    def path(self, system: SystemInfo, clip_ids: Sequence[str], content: Mapping[str, Mapping[str, str]]) -> Path:
        return run_path(self.request.output, self.todo.dataset.name, system.name, self.config(system, clip_ids, content))

    def reuse(
        self, system: SystemInfo, clip_ids: Sequence[str], content: Mapping[str, Mapping[str, str]]
    ) -> SystemScores | None:
        """Scores of a finished run with the same configuration."""
        path = self.path(system, clip_ids, content)
        if self.request.overwrite == "always" or not is_finished(path):
            return None
        if self.request.overwrite == "never":
            raise ReaudioError(f"{path} exists already; choose another --output or --overwrite only-missing.")
        return dataclasses.replace(read_run(path).scores, system=system)

    def write(
        self,
        evaluation: Evaluation,
        analysis: LongtailAnalysis,
        about: Mapping[str, Any],
        own: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> tuple[Path, ...]:
        """Write the runs that are not there; ``own``: system name -> more for its manifest, where it wins. Their folders."""
        paths = []
        dataset = scored_only(self.todo.dataset, evaluation)
        for scores in evaluation.scores:
            path = self.path(scores.system, evaluation.clip_ids, evaluation.content)
            paths.append(path)
            if is_finished(path) and self.request.overwrite == "only-missing":
                continue
            manifest = {
                "created": self.started.isoformat(timespec="seconds"),
                "seconds": round((datetime.datetime.now(datetime.UTC) - self.started).total_seconds(), 1),
                "seed": self.options.seed,
                "clip_ids_sha256": canonical_sha256(list(evaluation.clip_ids)),
                "selection": self.todo.selection,
                **about,
                **(own or {}).get(scores.system.name, {}),
            }
            if scores.system.name in self.neighbours:
                sha = neighbours_sha256(self.neighbours[scores.system.name], evaluation.clip_ids)
                manifest |= {"neighbours_sha256": sha}
            audited = (scores.system.name, REFERENCE, NEIGHBOURS)
            audit = {name: evaluation.audit[name] for name in audited if name in evaluation.audit}
            metrics = overall_json(analysis, scores.system.name)
            write_run(path, scores, dataset, self.todo.strata, metrics, audit, manifest)
        return tuple(paths)


def run_provenance(request: LongtailRequest, options: Options, todo: Plan, evaluation: Evaluation) -> Json:
    """Where the numbers come from, for the report and the manifests."""
    protocol = get_protocol(options.protocol)
    return {
        **provenance.describe(options.device),
        "dataset_detail": {
            "name": todo.dataset.name,
            "split": todo.dataset.split,
            "n_prompts": len(todo.dataset.prompts),
            "n_scored": len(evaluation.clip_ids),
            "list_sha256": todo.dataset.list_sha256,
            "labels_propagated": todo.dataset.propagated,
        },
        "protocol": {"name": protocol.name, "source": protocol.source},
        "embedders": {
            name: {"checkpoint": e.checkpoint.name, "sha256": e.sha256, "sample_rate": e.sample_rate}
            for name, e in todo.tools.embedders.items()
        },
        "strata_scheme": request.strata,
        "sampling": dataclasses.asdict(request.sampling),
    }


def scored_only(dataset: Dataset, evaluation: Evaluation) -> Dataset:
    """The dataset with the prompts that were scored."""
    kept = set(evaluation.clip_ids)
    return dataclasses.replace(dataset, prompts=tuple(p for p in dataset.prompts if p.clip_id in kept))
