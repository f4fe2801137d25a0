"""Margins of non-inferiority: fixed before scoring, kept in manifests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reaudio_eval.clips.system import Role
from reaudio_eval.evaluations.alerts import mapping
from reaudio_eval.reports.text import listing
from reaudio_eval.runs.directory import Run
from reaudio_eval.scores.score import NamedMetric
from reaudio_eval.statistics.analysis import Alert
from reaudio_eval.statistics.margins import Margin, check_margin
from reaudio_model.common.errors import ReaudioError


def planned_margin(
    value: float | None, primary: str | None, metrics: Sequence[NamedMetric], roles: Mapping[str, Role]
) -> Margin | None:
    """The margin of ``--margin`` before any work; None without.

    Args:
        value: as given.
        primary: name of the primary metric, or None where it is chosen later.
        metrics: of the evaluation.
        roles: system -> its role.

    Raises:
        ReaudioError: see :func:`reaudio_eval.statistics.margins.check_margin`; no primary metric, or no system to compare with.
    """
    if value is None:
        return None
    if primary is None:
        raise ReaudioError("--margin is in the unit of one metric: name it with --primary.")
    if not {"system", "control"} <= set(roles.values()):
        raise ReaudioError("--margin compares systems with a control, and there is none: name it with --baseline NAME.")
    return check_margin(value, next(m.info for m in metrics if m.info.name == primary))


def stored_margin(manifest: Mapping[str, Any]) -> Margin | None:
    """The margin that a run was scored with; None without."""
    kept = mapping(manifest.get("margin"))
    return Margin(float(kept["value"]), str(kept["metric"])) if {"value", "metric"} <= kept.keys() else None


def common_margin(runs: Sequence[Run]) -> Margin | None:
    """The margin that all runs of systems and controls were scored with; None where they differ."""
    kept = {stored_margin(run.manifest) for run in runs if run.scores.system.competes}
    return kept.pop() if len(kept) == 1 else None


def margin_alerts(margin: Margin | None, manifests: Mapping[str, Mapping[str, Any]]) -> Iterator[Alert]:
    """Whether runs were scored before the margin was fixed.

    Args:
        margin: of the report; None has no alerts.
        manifests: system -> manifest of its finished run.
    """
    if margin is None:
        return
    groups: dict[Margin | None, list[str]] = {}
    for name, manifest in manifests.items():
        kept = stored_margin(manifest)
        if kept is None or kept.value != margin.value or margin.metric not in ("", kept.metric):
            groups.setdefault(kept, []).append(name)
    for kept, names in groups.items():
        scored = "without a margin" if kept is None else f"with the margin {kept.value:g} of {kept.metric}"
        runs, keeps = ("run", "was") if len(names) == 1 else ("runs", "were")
        yield Alert(
            "warning",
            f"The margin {margin.value:g} was not fixed before scoring: the {runs} of {listing(names)} {keeps} scored {scored}. Take "
            "non-inferiority and equivalence as exploratory.",
            first_screen=True,
        )
