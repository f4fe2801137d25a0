"""External scores of systems, alone or joined with their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from reaudio_eval.clips.roles import named_role
from reaudio_eval.clips.system import SystemInfo, SystemKind
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.scores.external.averages import averaged, levels, repeated_notes
from reaudio_eval.scores.external.matching import matched_rows
from reaudio_eval.scores.external.metrics import StatedMetric
from reaudio_eval.scores.external.table import ScoreTable
from reaudio_eval.scores.score import NamedMetric
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256

KINDS: Mapping[str, SystemKind] = {
    "real": "real",
    "noise": "noise",
}  # systems of these names are the references of that kind


def system_of(name: str) -> SystemInfo:
    """A system of which only scores are known. One called "real" or "noise" is that reference; for others see
    :func:`reaudio_eval.clips.roles.named_role`."""
    return SystemInfo(name, KINDS.get(name, "generated"), 0, role=named_role(name))


@dataclass(frozen=True)
class ExternalScores:
    """Scores of all tables of an evaluation.

    Attributes:
        scores: system -> ``frames.scores.SCORES``, in the order in which systems first appear.
        metrics: in the order in which they first appear.
        tables: name, SHA-256 and rows of each table, JSON-able.
        notes: how the tables were read.
    """

    scores: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    metrics: tuple[MetricInfo, ...] = ()
    tables: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    def clip_ids(self, system: str) -> frozenset[str]:
        """The clips of a system that have a value; empty for another system."""
        return frozenset(self.scores[system]["clip_id"]) if system in self.scores else frozenset()

    @property
    def every_clip(self) -> frozenset[str]:
        """The clips of any system that have a value."""
        return frozenset().union(*(self.clip_ids(system) for system in self.scores))

    @property
    def common_clips(self) -> frozenset[str]:
        """The clips of which every system has a value of each metric that it has at all."""
        owned = [set(rows["clip_id"]) for scores in self.scores.values() for _, rows in scores.groupby("metric")]
        return frozenset(set.intersection(*owned)) if owned else frozenset()

    def restricted(self, clip_ids: Collection[str]) -> ExternalScores:
        """The scores of these clips; systems and metrics without any are left out."""
        kept = {name: rows[rows["clip_id"].isin(set(clip_ids))].reset_index(drop=True) for name, rows in self.scores.items()}
        scores = {name: rows for name, rows in kept.items() if not rows.empty}
        names = {metric for rows in scores.values() for metric in rows["metric"]}
        return dataclasses.replace(self, scores=scores, metrics=tuple(m for m in self.metrics if m.name in names))

    def with_metrics(self, names: Collection[str]) -> ExternalScores:
        """The scores of these metrics; systems without any are left out."""
        kept = {name: rows[rows["metric"].isin(set(names))].reset_index(drop=True) for name, rows in self.scores.items()}
        scores = {name: rows for name, rows in kept.items() if not rows.empty}
        return dataclasses.replace(self, scores=scores, metrics=tuple(m for m in self.metrics if m.name in set(names)))

    def metrics_of(self, system: str) -> tuple[MetricInfo, ...]:
        names = set(self.scores[system]["metric"]) if system in self.scores else set()
        return tuple(m for m in self.metrics if m.name in names)

    def to_json(self) -> dict[str, Any]:
        """What ``--dry-run`` prints: tables, and system -> metric -> prompts with a value."""
        counts = {
            name: rows.groupby("metric", sort=False)["clip_id"].nunique().to_dict() for name, rows in self.scores.items()
        }
        return {"tables": [dict(table) for table in self.tables], "prompts": counts}

    def sha256(self, system: str) -> str:
        """SHA-256 (hex) of the scores of a system, and of what its metrics are."""
        return canonical_sha256(
            [self.scores[system].to_dict("list"), [dataclasses.asdict(m) for m in self.metrics_of(system)]]
        )

    def alone(self, system: str, seed: int) -> SystemScores:
        """The scores of a system of which there is nothing else."""
        info = dataclasses.replace(system_of(system), n_clips=len(self.clip_ids(system)))
        return SystemScores(info, self.metrics_of(system), self.scores[system], SET_VALUES.empty(), seed=seed)

    def joined(self, scores: SystemScores) -> SystemScores:
        """The scores of a system with those of the tables, in place of any of the same metric."""
        new = self.metrics_of(scores.system.name)
        if not new:
            return scores
        names = {m.name for m in new}
        own = scores.scores[~scores.scores["metric"].isin(names)]
        return dataclasses.replace(
            scores,
            metrics=(*(m for m in scores.metrics if m.name not in names), *new),
            scores=SCORES.select(pd.concat([own, self.scores[scores.system.name]], ignore_index=True)),
            undefined={name: why for name, why in scores.undefined.items() if name not in names},
        )


NO_SCORES = ExternalScores()


def match_scores(
    tables: Sequence[ScoreTable], stated: Mapping[str, StatedMetric], dataset: Dataset, *, skip: bool = False
) -> ExternalScores:
    """The scores of tables, for the prompts of a dataset.

    Args:
        tables: of :func:`reaudio_eval.scores.external.table.read_score_tables`.
        stated: of every metric of the tables.
        dataset: with all of its prompts.
        skip: leave faulty rows, and those of unknown clips, out.

    Raises:
        ReaudioError: see :func:`reaudio_eval.scores.external.matching.matched_rows` and
            :func:`reaudio_eval.scores.external.averages.averaged`.
    """
    if not tables:
        return NO_SCORES
    matched = [matched_rows(table, dataset, skip=skip) for table in tables]
    rows = pd.concat(
        [frame.assign(table=table.name) for table, (frame, _) in zip(tables, matched, strict=True)], ignore_index=True
    )
    level, means = levels(rows), averaged(rows)
    systems = {str(name): means[means["system"] == name] for name in rows["system"].unique()}
    return ExternalScores(
        {name: SCORES.check(frame[SCORES.names].reset_index(drop=True)) for name, frame in systems.items()},
        tuple(stated[name].info(name, level[name]) for name in rows["metric"].unique()),
        tuple(
            {"name": t.name, "sha256": t.sha256, "rows": len(frame)} for t, (frame, _) in zip(tables, matched, strict=True)
        ),
        (*(note for _, notes in matched for note in notes), *repeated_notes(means, rows)),
    )


def check_computed(external: ExternalScores, systems: Collection[str], computed: Sequence[NamedMetric]) -> None:
    """Refuse scores of a metric that is also computed here of the same system, or with another meaning of others.

    Args:
        external: the scores.
        systems: names of the systems whose clips are scored.
        computed: the metrics of this evaluation.

    Raises:
        ReaudioError: naming the metric.
    """
    known = {m.info.name: m.info for m in computed}
    available = {m.info.name for m in computed if m.unavailable is None}
    for name in (name for name in external.scores if name in systems):
        for metric in external.metrics_of(name):
            if metric.name in available:
                raise ReaudioError(
                    f"{metric.name} of {name!r} is in a table of --scores and is computed from the clips of {name!r}: rename the metric "
                    "or the system in the table, or choose other metrics with --metric."
                )
    for metric in external.metrics:
        other = known.get(metric.name, metric)
        if (metric.level, metric.higher_is_better) != (other.level, other.higher_is_better):
            raise ReaudioError(
                f"{metric.name} of --scores has another direction or level than the metric of that name that is computed here: rename it."
            )
