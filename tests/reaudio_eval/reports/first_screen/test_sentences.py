"""Verdict: what is said of one system, of several, and where no system competes."""

from __future__ import annotations

from first_screens import make, said

from reaudio_eval.clips.system import Role
from reaudio_eval.reports.first_screen.sentences import sentences

LEVELS = dict.fromkeys(("ours", "other", "third", "copies", "real"), (0.4, 0.7, 0.5, 0.3, 0.2))


def verdict(**roles: Role) -> list[str]:
    return said(sentences(make(roles, {name: LEVELS[name] for name in roles}, {})))


def test_few_systems_are_described_and_more_are_ranked() -> None:
    assert [text.split()[0] for text in verdict(ours="system", other="system", real="real")[:2]] == ["ours", "other"]
    assert verdict(ours="system", other="system", third="system")[0].startswith(
        "Of 3 systems, ours, other and third have the highest"
    )


def test_a_copy_alone_is_described() -> None:
    (only,) = verdict(copies="copy", real="real")
    assert only == (
        "copies has label accuracy 0.70 on common 100+, 0.30 on rare 1-9 and 0.20 on unseen classes (real audio 0.70, 0.30, 0.20). "
        "Whether it works worse on rare sounds could not be tested: there is no interval."
    )


def test_nothing_to_compare() -> None:
    assert verdict(real="real") == ["No system has a value for Label accuracy, so there is nothing to compare."]
