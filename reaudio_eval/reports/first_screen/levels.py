"""Sentences on the levels of one system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from reaudio_eval.reports.first_screen.evidence import Evidence, Group, Level
from reaudio_eval.reports.first_screen.words import lower_first, measured
from reaudio_eval.reports.text import count, listing, number
from reaudio_eval.reports.views import NOT_COMPUTED

CLASSES = " classes"


def described(evidence: Evidence) -> Iterator[Markup]:
    for system in evidence.asked:
        yield level_sentence(evidence, system)
        if evidence.ends and evidence.loss(system).has_interval:
            yield _loss_sentence(evidence, system)


def level_sentence(evidence: Evidence, system: str) -> Markup:
    """How well a system does on common, rare and unseen sounds, beside the real audio."""
    groups = [g for g in told(evidence) if evidence.level(system, g.name).known]
    article = "The " if evidence.name(system) == evidence.words.control else ""
    opening = Markup("{}<b>{}</b>").format(article, evidence.name(system))
    remark = evidence.remarks.get(system, "")
    if not groups:
        return opening + Markup(" has no value of {}: {}.").format(
            lower_first(evidence.metric.title), _why_none(evidence, system)
        )
    values = _values(evidence, system, groups)
    real = real_values(evidence, groups)
    return opening + Markup("{} {} {}{}{}.{}").format(
        _works(evidence, system), lower_first(evidence.metric.title), values, real, remark, _untested(evidence, system)
    )


def told(evidence: Evidence) -> list[Group]:
    """The groups of the level sentence: the ends, and what training never saw; without ends every group, or the overall mean."""
    if evidence.ends is None:
        return list(evidence.groups) or ([evidence.overall] if evidence.overall else [])
    names = {group.name for group in evidence.ends}
    last = evidence.groups[-1:] if evidence.groups else ()
    return [group for group in evidence.groups if group.name in names or group in last]


def _works(evidence: Evidence, system: str) -> str:
    """What the interval of the loss allows one to say, up to the levels."""
    if evidence.ends is None:
        return " has"
    loss = evidence.loss(system)
    if loss.has_interval and loss.ci_low > 0:
        return " works worse on rare sounds:"
    if loss.has_interval and loss.ci_high < 0:
        return " works better on rare sounds than on common ones:"
    return " shows no significant difference between common and rare sounds:" if loss.has_interval else " has"


def _untested(evidence: Evidence, system: str) -> str:
    """Why nothing can be said about the loss, as a sentence of its own; "" where the first one says it."""
    if evidence.ends is None or evidence.loss(system).has_interval:
        return ""
    reason = evidence.loss(system).reason
    why = "there is no interval" if reason in ("", NOT_COMPUTED) else reason
    return f" Whether it works worse on rare sounds could not be tested: {why}."


def _values(evidence: Evidence, system: str, groups: Sequence[Group]) -> str:
    parts = [_value(evidence.level(system, g.name), g, evidence.digits) for g in groups]
    if all(part.endswith(CLASSES) for part in parts):  # said once
        parts = [part.removesuffix(CLASSES) for part in parts[:-1]] + parts[-1:]
    return listing(parts)


def _value(level: Level, group: Group, digits: int) -> str:
    """The value with the words of its group; of a few classes how many, since they say nothing of others."""
    few = f" ({count(int(level.n_classes), 'class', 'classes')} only)" if level.thin else ""
    return f"{number(level.value, digits)} {group.phrase}{few}"


def real_values(evidence: Evidence, groups: Sequence[Group]) -> str:
    real = evidence.real
    levels = [evidence.level(real, g.name) for g in groups] if real is not None else []
    if not any(level.known for level in levels):
        return ""
    return f" (real audio {', '.join(number(level.value, evidence.digits) for level in levels)})"


def _loss_sentence(evidence: Evidence, system: str) -> Markup:
    assert evidence.ends is not None
    real = Level() if evidence.real is None else evidence.loss(evidence.real)
    beside = f"; for the real audio it is {measured(real, evidence.digits)}" if real.known else ""
    text = (
        Markup("The loss from {} to {} is {}{}.") if len(evidence.asked) == 1 else Markup("Its loss from {} to {} is {}{}.")
    )
    return text.format(*(g.title for g in evidence.ends), measured(evidence.loss(system), evidence.digits), beside)


def _why_none(evidence: Evidence, system: str) -> str:
    return next(
        (level.reason for (name, _), level in evidence.levels.items() if name == system and level.reason),
        "it was not scored",
    )
