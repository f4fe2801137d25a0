"""Plan and run of the comparison of protocols."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.folder_pair import GENERATED, folder_pair, without_labels
from reaudio_eval.evaluations.options import scoring_options
from reaudio_eval.evaluations.planning import planned_metrics
from reaudio_eval.evaluations.protocols.request import ProtocolsRequest
from reaudio_eval.evaluations.protocols.result import ProtocolDifferences
from reaudio_eval.features.active import ActiveEmbedder
from reaudio_eval.features.differences import protocol_differences
from reaudio_eval.features.protocols import PROTOCOLS, get_protocol
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs.directory import overall_json
from reaudio_eval.scores.binding import require_any
from reaudio_eval.scores.evaluate import Options, Tools, evaluate, prepare
from reaudio_eval.statistics.analysis import Alert
from reaudio_eval.statistics.longtail import analyse
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.progress import Reporter

ROUNDING = 1e-5  # relative: features of another batch differ by as much


@dataclass(frozen=True)
class ProtocolsPlan:
    """The request, the clips, and the tools of every protocol, the base first."""

    request: ProtocolsRequest
    options: Options
    dataset: Dataset
    system: SystemInfo
    tools: Mapping[str, Tools]

    def to_json(self) -> Json:
        return {
            "base": self.options.protocol,
            "n_names_in_both": len(self.system.clips.keys() & self.dataset.references.keys()),
            "protocols": {name: planned_metrics(tools.metrics) for name, tools in self.tools.items()},
            "cache_dir": str(self.options.cache_dir),
        }


@dataclass(frozen=True)
class Scored:
    """Metrics of an embedder under a protocol.

    Attributes:
        embedder: with its checkpoint.
        clip_ids: scored.
        metrics: full name -> value or a reason, as ``score`` prints them.
    """

    embedder: ActiveEmbedder
    clip_ids: tuple[str, ...]
    metrics: Mapping[str, Json]


def plan(request: ProtocolsRequest, reporter: Reporter) -> ProtocolsPlan:
    """Pair the files and find the checkpoints of every protocol.

    Raises:
        ReaudioError: a folder is missing or empty, no name is in both, or a caption is missing.
        NothingToComputeError: no metric can be computed under the base protocol.
    """
    dataset, system = folder_pair(request.folders)
    options = scoring_options(request.measures, request.machine, request.seed)
    get_protocol(options.protocol)
    tools = {}
    for name in dict.fromkeys([options.protocol, *PROTOCOLS]):
        found = prepare(dataclasses.replace(options, protocol=name), dataset, needed=False)
        tools[name] = Tools(found.embedders, without_labels(found.metrics))
    require_any(tools[options.protocol].metrics)
    return ProtocolsPlan(request, options, dataset, system, tools)


def run(plan: ProtocolsPlan, reporter: Reporter) -> ProtocolDifferences:
    """Score the folders under every protocol.

    Raises:
        ReaudioError: see :func:`reaudio_eval.scores.evaluate.evaluate`.
    """
    rows: list[Json] = []
    warnings = [Alert("warning", note) for note in plan.dataset.notes]
    base: dict[str, Scored] = {}
    for protocol, tools in plan.tools.items():
        rows += [
            {"protocol": protocol, "metric": m.info.name, "reason": m.unavailable} for m in tools.metrics if m.unavailable
        ]
        for name, embedder in tools.embedders.items():
            reporter.note(f"{protocol}: {name}")
            try:
                scored = _score(plan, protocol, embedder, reporter)
            except CheckpointError as error:
                rows += [_unscored(protocol, m.info.name, str(error)) for m in tools.metrics if m.info.embedder == name]
                continue
            warnings += [Alert("warning", note) for note in embedder.checkpoint_notes]
            if protocol == plan.options.protocol:
                base[name] = scored
            rows += _rows(plan.options.protocol, protocol, scored, base.get(name))
    return ProtocolDifferences(plan.options.protocol, tuple(rows), tuple(dict.fromkeys(warnings)))


def _unscored(protocol: str, metric: str, reason: str) -> Json:
    return {"protocol": protocol, "metric": metric, "reason": reason}


def _score(plan: ProtocolsPlan, protocol: str, embedder: ActiveEmbedder, reporter: Reporter) -> Scored:
    options = dataclasses.replace(plan.options, protocol=protocol)
    metrics = tuple(m for m in plan.tools[protocol].metrics if m.info.embedder == embedder.name and m.unavailable is None)
    strata = strata_scheme("log10", {})
    evaluation = evaluate([plan.system], plan.dataset, strata, Tools({embedder.name: embedder}, metrics), options, reporter)
    analysis = analyse(evaluation.scores, plan.dataset, strata)
    return Scored(embedder, evaluation.clip_ids, overall_json(analysis, GENERATED))


def _rows(base: str, protocol: str, scored: Scored, first: Scored | None) -> Iterator[Json]:
    for name, metric in scored.metrics.items():
        value = metric["value"]
        if value is None:
            yield _unscored(protocol, name, metric["reason"])
            continue
        known = None if first is None else first.metrics.get(name, {}).get("value")
        difference = math.nan if known is None else value - known
        yield {
            "protocol": protocol,
            "metric": name,
            "value": value,
            "difference": difference,
            "n_clips": metric["n_clips"],
            "cause": _cause(base, protocol, scored, first, name, _is_rounding(value, known)),
        }


def _is_rounding(value: float, base: Any) -> bool:
    return base is not None and math.isclose(value, base, rel_tol=ROUNDING, abs_tol=ROUNDING * ROUNDING)


def _cause(base: str, protocol: str, scored: Scored, first: Scored | None, metric: str, equal: bool) -> str:
    """What differs, in words; the checkpoint and the list of clips are those that were used."""
    if base == protocol:
        return ""
    embedder = scored.embedder
    found = [
        str(d)
        for d in protocol_differences(get_protocol(base), get_protocol(protocol), embedder.name, embedder.spec, metric)
        if d.field != "clap_checkpoint"
    ]
    if first is not None and embedder.sha256 != first.embedder.sha256:
        names = [each.published or each.checkpoint.name for each in (embedder, first.embedder)]
        found.append(f"the checkpoint {names[0]} instead of {names[1]}")
    if first is not None and scored.clip_ids != first.clip_ids:
        found.append(f"{len(scored.clip_ids)} clips instead of {len(first.clip_ids)}, not all the same")
    if not found:
        return "none: the same conventions"
    return f"no effect here: {_joined(found)}" if equal else _joined(found)


def _joined(found: Sequence[str]) -> str:
    return "; ".join(found)
