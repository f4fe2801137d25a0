"""Roles of systems: by model, by name, and as the user names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaudio_eval import plugins
from reaudio_eval.clips.collect import SystemRequest, own_role
from reaudio_eval.clips.roles import asked, chosen_roles, competing, controls, named_role, with_roles
from reaudio_eval.clips.system import ROLES, Role, SystemInfo, SystemKind
from reaudio_model.common.errors import ReaudioError, UnknownNameError

OWN: dict[str, Role] = {
    "ours": "system", "other": "system", "plain": "control", "copies": "copy", "oracle-l (upper reference)": "oracle",
    "real": "real", "noise": "noise",
}  # fmt: skip
KINDS: dict[str, SystemKind] = {"real": "real", "noise": "noise"}
SYSTEMS = tuple(SystemInfo(name, KINDS.get(name, "generated"), 1, role=role) for name, role in OWN.items())


@pytest.mark.parametrize(
    ("model", "role"),
    [
        ("re-audioldm-l", "system"), ("re-audioldm-s-audio", "system"), ("re-audioldm-s-none", "control"), ("tango", "system"),
        ("copy-retrieved", "copy"), ("oracle-l", "oracle"), ("oracle-s-audio", "oracle"), ("real", "real"), ("noise", "noise"),
        ("clips", "system"),
    ],
)  # fmt: skip
def test_every_model_states_its_role(model: str, role: Role) -> None:
    assert own_role(SystemRequest("any name", model)) == role


def test_every_bundled_model_has_a_known_role() -> None:
    for name, entry in plugins.entries("models").items():
        assert plugins.load("models", name).role(entry.variant) in ROLES


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("copy-retrieved", "copy"), ("re-audioldm-s-none", "control"), ("MyModel", "system"), ("re-audioldm-l", "system"),
        ("oracle-l (upper reference)", "oracle"), ("oracle-l (not a system)", "oracle"),
        ("oracle-l", "system"), ("real", "system"), ("noise", "system"),
    ],
)  # fmt: skip
def test_the_role_that_a_name_alone_gives(name: str, role: Role) -> None:
    assert named_role(name) == role
    assert own_role(SystemRequest(name, "clips", Path("somewhere"))) == role


def test_real_audio_and_noise_have_no_other_role() -> None:
    for kind in ("real", "noise"):
        assert SystemInfo("x", kind, 1, role="control").role == kind


def test_only_systems_and_controls_compete() -> None:
    assert competing(SYSTEMS) == ["ours", "other", "plain"]
    assert [s.name for s in asked(SYSTEMS)] == ["ours", "other"]
    assert [s.name for s in controls(SYSTEMS)] == ["plain"]
    assert [s.name for s in asked(SYSTEMS[2:])] == ["plain"]  # a control alone is what the report is about


def test_a_control_and_copies_that_the_user_names() -> None:
    assert chosen_roles(OWN, None) == OWN
    assert chosen_roles(OWN, "other") == OWN | {"other": "control"}
    assert chosen_roles(OWN, "plain", "other") == OWN | {"other": "copy"}
    named = with_roles(SYSTEMS, {"ours": "control", "real": "control"})
    assert {s.name: s.role for s in named} == OWN | {"ours": "control"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("copies", "--baseline copies is a copy of the retrieved clips, a reference that is shown and not compared"),
        ("real", "--baseline real is real audio, a reference"),
        ("oracle-l (upper reference)", "is an upper reference, a reference"),
    ],
)
def test_a_reference_is_no_control(name: str, words: str) -> None:
    with pytest.raises(ReaudioError) as error:
        chosen_roles(OWN, name)
    assert words in str(error.value)


def test_names_that_are_not_there() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown system of --control 'our'\. Did you mean 'ours'"):
        chosen_roles(OWN, "our", option="--control")
    with pytest.raises(UnknownNameError, match="Unknown system of --copied 'copy'"):
        chosen_roles(OWN, None, "copy")
    with pytest.raises(ReaudioError, match="--baseline and --copied both name 'ours': they are two systems"):
        chosen_roles(OWN, "ours", "ours")
