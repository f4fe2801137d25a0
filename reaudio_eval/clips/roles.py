"""Roles of systems: what is evaluated, controls, references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reaudio_eval import plugins
from reaudio_eval.clips.system import Role, SystemInfo
from reaudio_model.common.errors import ReaudioError, one_of

UPPER_REFERENCE = " (upper reference)"  # ends the name of a model that is shown and not compared
_OLDER_ENDING = " (not a system)"  # the same in runs of version 0.1.0 and before
REFERENCES: Mapping[Role, str] = {
    "copy": "a copy of the retrieved clips", "oracle": "an upper reference", "real": "real audio", "noise": "noise",
}  # fmt: skip


def is_reference_name(name: str) -> bool:
    """Whether a name ends as those of models that are shown and not compared."""
    return name.endswith((UPPER_REFERENCE, _OLDER_ENDING))


def named_role(name: str) -> Role:
    """The role of a system of which only the name is known: clips in a folder, or a run of an earlier version.

    One that has the name of a registered control or copy is a control or copy.
    """
    if is_reference_name(name):
        return "oracle"
    try:
        role = plugins.load("models", name).role(plugins.find("models", name).variant)
    except ReaudioError:  # no such model, or a plug-in that cannot be used here
        return "system"
    return role if role in ("control", "copy") else "system"


def chosen_roles(
    roles: Mapping[str, Role], control: str | None, copied: str | None = None, option: str = "--baseline"
) -> dict[str, Role]:
    """The roles of a report in which the user names a control, or the copy of the retrieved clips.

    Args:
        roles: system -> its own role.
        control, copied: names of systems, or None.
        option: that names the control, for messages.

    Raises:
        UnknownNameError: there is no such system.
        ReaudioError: both are one system, or the control is a reference.
    """
    chosen = dict(roles)
    if copied is not None:
        chosen[one_of("system of --copied", copied, roles)] = "copy"
    if control is None:
        return chosen
    one_of(f"system of {option}", control, roles)
    if control == copied:
        raise ReaudioError(f"{option} and --copied both name {control!r}: they are two systems.")
    if roles[control] in REFERENCES:
        raise ReaudioError(
            f"{option} {control} is {REFERENCES[roles[control]]}, a reference that is shown and not compared: name another system."
        )
    return chosen | {control: "control"}


def with_roles(systems: Sequence[SystemInfo], roles: Mapping[str, Role]) -> tuple[SystemInfo, ...]:
    """The systems with the roles of :func:`chosen_roles`; those that it does not name keep their own."""
    return tuple(replace(s, role=roles.get(s.name, s.role)) for s in systems)


def asked(systems: Sequence[SystemInfo]) -> tuple[SystemInfo, ...]:
    """The systems that a report is about; its controls, where there are no others."""
    return tuple(s for s in systems if s.role == "system") or controls(systems)


def controls(systems: Sequence[SystemInfo]) -> tuple[SystemInfo, ...]:
    """The systems that the others are compared with."""
    return tuple(s for s in systems if s.role == "control")


def competing(systems: Sequence[SystemInfo]) -> list[str]:
    """Names of the systems that are compared with each other."""
    return [s.name for s in systems if s.competes]
