"""Numbers and names of the verdict as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from reaudio_eval.reports.first_screen.evidence import Difference, Evidence, Level
from reaudio_eval.reports.text import interval, number, p_words
from reaudio_eval.statistics.families import GAP

NAMED = 6  # systems named in one clause


def lower_first(title: str) -> str:
    """In the middle of a sentence: "label accuracy", but "CLAP score"."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def measured(level: Level, digits: int) -> str:
    """A value with its interval."""
    return " ".join(filter(None, [number(level.value, digits), interval(level.ci_low, level.ci_high, digits)]))


def tested(evidence: Evidence, difference: Difference) -> str:
    """A difference with its interval and p; of a gap that of the loss."""
    level = difference.level
    if difference.quantity == GAP and not evidence.metric.higher_is_better:
        level = level.negated()
    ends = interval(level.ci_low, level.ci_high, evidence.digits)
    size = " ".join(filter(None, [number(level.value, evidence.digits, sign=True), ends]))
    return (
        f"{size}, corrected p {p_words(difference.p_holm)}" if difference.tested else f"{size}, {level.reason}".rstrip(", ")
    )


def with_size(evidence: Evidence, tests: Sequence[Difference], name: Callable[[Difference], str]) -> Markup:
    """Names with their differences; ``name``: which of the two systems."""
    parts = [Markup("<b>{}</b> ({})").format(evidence.name(name(d)), tested(evidence, d)) for d in tests[:NAMED]]
    return joined([*parts, *_more(len(tests))])


def named(evidence: Evidence, systems: Sequence[str]) -> Markup:
    """Their names in bold."""
    return joined([*(Markup("<b>{}</b>").format(evidence.name(s)) for s in systems[:NAMED]), *_more(len(systems))])


def _more(n: int) -> list[Markup]:
    return [Markup("{} more").format(n - NAMED)] if n > NAMED else []


def joined(parts: Sequence[str]) -> Markup:
    """``A, B and C``; what is no ``Markup`` is escaped."""
    escaped = [Markup("{}").format(part) for part in parts]
    if len(escaped) < 2:
        return Markup("").join(escaped)
    return Markup("{} and {}").format(Markup(", ").join(escaped[:-1]), escaped[-1])


def quantity_words(evidence: Evidence) -> list[tuple[str, str]]:
    """Name and words of each quantity of the family, in the order of the page."""
    found = [(g.name, g.phrase) for g in evidence.quantities]
    if GAP in evidence.family.quantities and evidence.ends is not None:
        found.append((GAP, f"in the loss from {evidence.ends[0].title} to {evidence.ends[1].title}"))
    return found
