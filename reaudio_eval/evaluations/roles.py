"""Roles of planned systems, and those that the user names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reaudio_eval.clips.collect import SystemRequest, own_role
from reaudio_eval.clips.roles import chosen_roles, with_roles
from reaudio_eval.clips.system import Role
from reaudio_eval.evaluations.options import Systems
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.runs.bundled import COPY, baseline_names
from reaudio_eval.scores.external.scores import system_of
from reaudio_eval.scores.system_scores import SystemScores


@dataclass(frozen=True)
class Named:
    """Systems that the user names: a control, and the copy of the retrieved clips. option: that names the control."""

    control: str | None = None
    copied: str | None = None
    option: str = "--baseline"


NOBODY = Named()


def packaged(systems: Systems, dataset: Dataset) -> list[str]:
    """Systems whose scores come with the package."""
    if systems.baselines != "bundled":
        return []
    return [name for name in baseline_names(dataset, systems.models) if name != COPY]


def planned_roles(
    requests: Sequence[SystemRequest], scored: Sequence[str], named: Named, external: Sequence[str] = ()
) -> dict[str, Role]:
    """System -> its role.

    Args:
        requests: of systems whose clips are scored.
        scored: systems whose scores come with the package.
        named: by the user.
        external: systems in tables of scores, perhaps the same.

    Raises:
        UnknownNameError, ReaudioError: see :func:`reaudio_eval.clips.roles.chosen_roles`.
    """
    own = {name: system_of(name).role for name in external}
    own |= {r.name: own_role(r) for r in (*requests, *(SystemRequest(name, name) for name in scored))}
    return chosen_roles(own, named.control, named.copied, named.option)


def scores_with_roles(scores: Sequence[SystemScores], roles: Mapping[str, Role]) -> tuple[SystemScores, ...]:
    """The scores, their systems with these roles; systems that are not named keep their own."""
    systems = with_roles([each.system for each in scores], roles)
    return tuple(replace(each, system=system) for each, system in zip(scores, systems, strict=True))


def scores_against(scores: Sequence[SystemScores], baseline: str | None) -> tuple[SystemScores, ...]:
    """The scores, with the system called ``baseline`` as a control; None changes nothing.

    Raises:
        UnknownNameError, ReaudioError: see :func:`reaudio_eval.clips.roles.chosen_roles`.
    """
    return scores_with_roles(scores, chosen_roles({s.system.name: s.system.role for s in scores}, baseline))
