"""``reaudio-eval score``: every metric for a folder of generated clips against a folder of real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.datasets._tables import read_captions
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs.directory import Json, overall_json
from reaudio_eval.scores.evaluate import EXAMPLES, Evaluation, Options, Tools, evaluate, prepare
from reaudio_eval.statistics.longtail import analyse
from reaudio_model.common.audio import find_clips
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter

GENERATED = "generated"


@dataclass(frozen=True)
class FolderScores:
    """Scores of one folder.

    Attributes:
        protocol: its name.
        n_clips: clips scored.
        metrics: metric name -> value, interval, method, counts, direction, source, or null with a reason.
        audit: "generated" and "reference" -> what was odd about the files.
    """

    protocol: str
    n_clips: int
    metrics: Mapping[str, Json]
    audit: Mapping[str, Any]

    def to_json(self) -> Json:
        return {
            "protocol": self.protocol,
            "n_clips": self.n_clips,
            "metrics": dict(self.metrics),
            "audit": dict(self.audit),
        }

    def to_text(self) -> str:
        """A table for the terminal."""
        lines = [f"{self.n_clips} clips, protocol {self.protocol}", ""]
        width = max(map(len, self.metrics))
        for name, m in self.metrics.items():
            if m["value"] is None:
                lines.append(f"{name:<{width}}  {'-':>10}  {m['reason']}")
                continue
            interval = "" if m["ci_low"] is None else f"[{m['ci_low']:.4g}, {m['ci_high']:.4g}]"
            arrow = "higher is better" if m["higher_is_better"] else "lower is better"
            lines.append(f"{name:<{width}}  {m['value']:>10.4f}  {interval:<24} {arrow}")
        odd = [
            f"{side}: {a['n_missing']} missing, {a['n_unreadable']} unreadable, flags {a['flags']}"
            for side, a in self.audit.items()
        ]
        return "\n".join([*lines, "", *odd])


def score_folders(
    generated: Path,
    reference: Path,
    captions: Path | None = None,
    options: Options | None = None,
    limit: int | None = None,
    reporter: Reporter | None = None,
) -> FolderScores:
    """Score two folders whose files pair by name without suffix.

    Args:
        generated, reference: folders of audio files; never written to.
        captions: CSV with clip_id (or file) and caption, for CLAP score.
        options: protocol, embedders, checkpoints, ...
        limit: only the first so many clips, by name.
        reporter: shows progress.

    Raises:
        ReaudioError: a folder is missing or empty, no name is in both, a caption is missing, or see ``evaluate``.
    """
    options = options or Options()
    reporter = reporter or Reporter(quiet=True)
    dataset, system, tools = _prepare(generated, reference, captions, options, limit)
    evaluation = evaluate([system], dataset, strata_scheme("log10", {}), tools, options, reporter)
    return FolderScores(options.protocol, len(evaluation.clip_ids), _metrics(evaluation, dataset, options), evaluation.audit)


def folder_plan(generated: Path, reference: Path, captions: Path | None, options: Options, limit: int | None = None) -> Json:
    """What :func:`score_folders` would do, JSON-able."""
    dataset, system, tools = _prepare(generated, reference, captions, options, limit)
    return {
        "protocol": options.protocol,
        "n_generated": len(system.clips),
        "n_reference": len(dataset.references),
        "n_names_in_both": len(system.clips.keys() & dataset.references.keys()),
        "embedders": {name: str(e.checkpoint) for name, e in tools.embedders.items()},
        "metrics": {m.info.name: m.unavailable or "will be computed" for m in tools.metrics},
        "cache_dir": str(options.cache_dir),
    }


def _prepare(
    generated: Path, reference: Path, captions: Path | None, options: Options, limit: int | None
) -> tuple[Dataset, SystemInfo, Tools]:
    if limit is not None and limit < 1:
        raise ReaudioError(f"--limit must be 1 or more, not {limit}.")
    ours, real = find_clips(generated), find_clips(reference)
    both = sorted(ours.keys() & real.keys())
    if not both:
        raise ReaudioError(
            f"{generated} and {reference} have no file name in common: {_examples(ours)} against {_examples(real)}. "
            "Files pair by name without suffix."
        )
    names = sorted(ours.keys() | real.keys()) if limit is None else both[:limit]
    prompts = tuple(Prompt(n, c, labels_known=False) for n, c in _captions(captions, names, both).items())
    chosen = set(names)
    dataset = Dataset("folder", "all", prompts, {}, {}, {n: p for n, p in real.items() if n in chosen})
    system = SystemInfo(GENERATED, "generated", len(ours), {n: p for n, p in ours.items() if n in chosen})
    tools = prepare(options)
    # Labels play no part between two folders; a metric that needs them would only say so.
    return dataset, system, Tools(tools.embedders, tuple(m for m in tools.metrics if "labels" not in m.definition.needs))


def _examples(clips: Mapping[str, Path]) -> str:
    return ", ".join(repr(path.name) for path in list(clips.values())[:EXAMPLES])


def _captions(path: Path | None, names: Sequence[str], both: Sequence[str]) -> dict[str, str]:
    if path is None:
        return dict.fromkeys(names, "")
    table = {p.clip_id: p.caption for p in read_captions(path)}
    missing = [n for n in both if n not in table]
    if missing:
        shown = ", ".join(map(repr, missing[:EXAMPLES]))
        raise ReaudioError(f"{path} has no caption for {len(missing)} of {len(both)} clips, such as {shown}.")
    return {n: table.get(n, "") for n in names}


def _metrics(evaluation: Evaluation, dataset: Dataset, options: Options) -> Json:
    analysis = analyse(evaluation.scores, dataset, strata_scheme("log10", {}), seed=options.seed)
    return overall_json(analysis, GENERATED)
