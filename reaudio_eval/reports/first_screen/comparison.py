"""Sentences on the differences from a control."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from reaudio_eval.reports.first_screen.evidence import Difference, Evidence
from reaudio_eval.reports.first_screen.levels import told
from reaudio_eval.reports.first_screen.words import joined, named, quantity_words, tested, with_size
from reaudio_eval.reports.text import number

REFERENCES = {"copy": "copies of the retrieved clips", "real": "real audio", "oracle": "oracle", "noise": "noise"}


class Told(NamedTuple):
    """A difference and the words of its quantity, "on rare 1-9 classes"."""

    words: str
    difference: Difference


def against_controls(evidence: Evidence, ranked: bool) -> Iterator[Markup]:
    """Each system against each control; ``ranked``: a sentence for each quantity instead of one for each system."""
    for control in (*evidence.controls, *evidence.against):
        if ranked:
            yield from _many_against(evidence, control)
        else:
            yield from (s for name in evidence.asked if (s := _one_against(evidence, name, control)) is not None)


def _differences(evidence: Evidence, systems: Sequence[str], control: str) -> Iterator[Told]:
    """The tests of the family, and those with a reference that systems are compared with."""
    for name, words in quantity_words(evidence):
        for system in systems:
            found = evidence.difference(system, control, name)
            if found is not None and found.level.known and found.family in ("confirmatory", "reference"):
                yield Told(words, found)


def _one_against(evidence: Evidence, system: str, control: str) -> Markup | None:
    """One sentence with every test of a system against a control, the significant ones first."""
    found = list(_differences(evidence, [system], control))
    if not found:
        return None
    subject = Markup("it") if len(evidence.asked) == 1 else Markup("<b>{}</b>").format(evidence.name(system))
    clauses = [
        Markup("{} {}").format(title, joined([f"{t.words} ({tested(evidence, t.difference)})" for t in tests]))
        for title, tests in _outcomes(evidence, found)
    ]
    return Markup("Compared with {}{}, {} is {}.").format(
        _control(evidence, control), _levels_of(evidence, control), subject, Markup("; ").join(clauses)
    )


def _many_against(evidence: Evidence, control: str) -> Iterator[Markup]:
    """For each quantity, which systems are significantly better or worse than a control."""
    found = list(_differences(evidence, evidence.asked, control))
    opening = Markup("Compared with {}, ").format(_control(evidence, control))
    for _, words in quantity_words(evidence):
        tests = [t for t in found if t.words == words]
        if not any(t.difference.tested for t in tests):
            continue
        clauses = [
            Markup("{}: {}").format(title, _systems(evidence, [t.difference for t in of_title]))
            for title, of_title in _outcomes(evidence, tests)
        ]
        yield Markup("{}{}: {}.").format(opening, words, Markup("; ").join(clauses))


def _systems(evidence: Evidence, tests: Sequence[Difference]) -> Markup:
    """Their names, with the differences that are significant."""
    if tests[0].significant:
        return with_size(evidence, tests, lambda d: d.system)
    return named(evidence, [d.system for d in tests])


def _control(evidence: Evidence, control: str) -> Markup:
    """ "its control <b>plain</b>", "the baseline <b>Tango</b>"; a reference by what it is."""
    name = Markup("<b>{}</b>").format(evidence.name(control))
    if control in evidence.controls:
        if evidence.name(control) == evidence.words.control:
            return Markup("the {}").format(name)
        whose = "its" if len(evidence.asked) == 1 and evidence.words.control == "control" else "the"
        return Markup("{} {} {}").format(whose, evidence.words.control, name)
    role = next(s.role for s in evidence.systems if s.name == control)
    return Markup("the {} {}, a reference").format(REFERENCES[role], name)


def _levels_of(evidence: Evidence, system: str) -> str:
    groups = [g for g in told(evidence) if evidence.level(system, g.name).known]
    return f" ({', '.join(number(evidence.level(system, g.name).value, evidence.digits) for g in groups)})" if groups else ""


def _outcomes(evidence: Evidence, found: Sequence[Told]) -> list[tuple[str, list[Told]]]:
    """The results that occur, with their tests."""
    directed = evidence.metric.directed
    results: list[tuple[str, Callable[[Difference], bool]]] = [
        ("significantly better" if directed else "significantly higher", lambda d: d.significant and _up(evidence, d)),
        ("significantly worse" if directed else "significantly lower", lambda d: d.significant and not _up(evidence, d)),
        ("not significantly different", lambda d: d.tested and not d.significant),
        ("not tested", lambda d: not d.tested),
    ]
    chosen = [(title, [t for t in found if belongs(t.difference)]) for title, belongs in results]
    return [(title, tests) for title, tests in chosen if tests]


def _up(evidence: Evidence, difference: Difference) -> bool:
    return evidence.gain(difference) > 0 if evidence.metric.directed else difference.level.value > 0
