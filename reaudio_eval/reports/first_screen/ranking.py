"""Sentences that rank several systems."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from markupsafe import Markup

from reaudio_eval.reports.first_screen.evidence import Difference, Evidence, Group, Level
from reaudio_eval.reports.first_screen.levels import real_values
from reaudio_eval.reports.first_screen.words import NAMED, lower_first, measured, named, upper_first, with_size
from reaudio_eval.reports.text import count, number


def ranking(evidence: Evidence) -> Iterator[Markup]:
    """The best as a mean over all classes, and in the rarest groups of the family; then the losses."""
    if evidence.metric.neutral:
        yield Markup("No value of {} is better than another, so no {} has the best value.").format(
            lower_first(evidence.metric.title), evidence.words.noun
        )
    elif evidence.metric.target is not None:
        yield Markup("The ideal {} is {}, so no {} has the best value.").format(
            lower_first(evidence.metric.title), f"{evidence.metric.target:g}", evidence.words.noun
        )
    else:
        first = True
        for group in _ranked_groups(evidence):
            best = best_sentence(evidence, group, first)
            if best is not None:
                yield best
                first = False
    if evidence.ends is not None:
        yield from _losses(evidence)


def _ranked_groups(evidence: Evidence) -> list[Group]:
    """Overall, the rarest group with training clips, the unseen one; of regimes all of the family."""
    if evidence.ends is None:
        return evidence.quantities or ([evidence.overall] if evidence.overall else [])
    rarest = evidence.ends[1]
    unseen = [group for group in evidence.groups[-1:] if group != rarest]
    return [*([evidence.overall] if evidence.overall else []), *(g for g in evidence.groups if g == rarest), *unseen]


def best_sentence(evidence: Evidence, group: Group, first: bool = True) -> Markup | None:
    """The best competitors of a group, and which others are significantly different; None where nobody has a value.

    Systems that were compared with a control alone are not tested against each other: the sentence then gives the value of the control.
    """
    best = evidence.best(group.name)
    if best is None:
        return None
    known = {s: evidence.level(s, group.name) for s in evidence.competitors if evidence.level(s, group.name).known}
    if all(level.thin for level in known.values()):
        return _too_few(group, known.values())
    tied = [s for s, level in known.items() if level.value == known[best].value]
    names = Markup("{} {}").format(named(evidence, tied), "has" if len(tied) == 1 else "have")
    rank = "highest" if evidence.metric.higher_is_better else "lowest"
    value = measured(known[best], evidence.digits)
    if first:
        of = count(len(evidence.competitors), evidence.words.noun)
        title = lower_first(evidence.metric.title)
        opening = Markup("Of {}, {} the {} {} {}, {}").format(of, names, rank, title, group.phrase, value)
    else:
        opening = Markup("{}, {} the {}, {}").format(upper_first(group.phrase), names, rank, value)
    opening += Markup("{}").format(real_values(evidence, [group]))
    if not _pairwise(evidence):
        return opening + _control_values(evidence, tied, group)
    tests = [d for s in known if s not in tied and (d := evidence.difference(best, s, group.name)) is not None]
    return opening + _against_best(evidence, tests)


def _too_few(group: Group, levels: Collection[Level]) -> Markup:
    sizes = sorted({int(level.n_classes) for level in levels})
    many = count(sizes[-1], "class", "classes") if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} classes"
    return Markup("{}: {}, too few to say which is best.").format(upper_first(group.title), many)


def _pairwise(evidence: Evidence) -> bool:
    """Whether the family compares systems with each other, not with controls alone."""
    return any(not set(pair) & set(evidence.controls) for pair in evidence.family.pairs)


def _control_values(evidence: Evidence, best: Sequence[str], group: Group) -> Markup:
    others = [
        Markup("the {} has {}").format(_control(evidence, c), number(evidence.level(c, group.name).value, evidence.digits))
        for c in evidence.controls
        if c not in best and evidence.level(c, group.name).known
    ]
    return Markup("; {}.").format(Markup(" and ").join(others)) if others else Markup(".")


def _control(evidence: Evidence, name: str) -> Markup:
    """ "control <b>plain</b>"; a control that is called by its role once."""
    role, bold = evidence.words.control, Markup("<b>{}</b>").format(evidence.name(name))
    return bold if evidence.name(name) == role else Markup("{} {}").format(role, bold)


def _against_best(evidence: Evidence, tests: Sequence[Difference]) -> Markup:
    """Which of the others are significantly different from the best one."""
    tested = [d for d in tests if d.tested]
    if not tested:
        return Markup("; no difference could be tested.") if tests else Markup(".")
    beaten = [d for d in tested if d.significant and evidence.gain(d) > 0]
    near = [d for d in tested if not d.significant]
    worse = [
        d for d in tested if d.significant and d not in beaten
    ]  # means of systems with other prompts can point the other way
    parts = []
    if beaten:
        parts.append(Markup("significantly better than {}").format(with_size(evidence, beaten, lambda d: d.against)))
    if near:
        parts.append(Markup("not significantly different from {}").format(named(evidence, [d.against for d in near])))
    if worse:
        parts.append(
            Markup("on common prompts significantly worse than {}").format(with_size(evidence, worse, lambda d: d.against))
        )
    if len(tested) < len(tests):
        parts.append(Markup("not tested against {}").format(named(evidence, [d.against for d in tests if not d.tested])))
    return Markup(": {}.").format(Markup("; ").join(parts))


def _losses(evidence: Evidence) -> Iterator[Markup]:
    """Which systems work worse on rare sounds, each by its own interval."""
    assert evidence.ends is not None
    losses = {s: evidence.loss(s) for s in evidence.competitors if evidence.loss(s).known}
    ends = [g.title for g in evidence.ends]
    if not losses:
        return
    real = Level() if evidence.real is None else evidence.loss(evidence.real)
    beside = Markup(" (real audio: {})").format(measured(real, evidence.digits)) if real.known else Markup("")
    with_interval = {s: loss for s, loss in losses.items() if loss.has_interval}
    if not with_interval:
        if not evidence.family.pairs:  # else it is among what could not be told
            reason = next((loss.reason for loss in losses.values() if loss.reason), "it could not be computed")
            yield Markup("The loss from {} to {} has no interval: {}.").format(*ends, reason)
        return
    worse = [s for s, loss in with_interval.items() if loss.ci_low > 0]
    rest = [s for s in with_interval if s not in worse]
    sizes = Markup(", ").join(
        Markup("<b>{}</b> {}").format(evidence.name(s), measured(with_interval[s], evidence.digits)) for s in worse[:NAMED]
    )
    if worse:
        more = f" and {len(worse) - NAMED} more" if len(worse) > NAMED else ""
        yield Markup("Worse on rare sounds, by the 95 % interval of the loss from {} to {}: {}{}{}.").format(
            *ends, sizes, more, beside
        )
    if rest:
        yield Markup("No significant loss from {} to {}: {}{}.").format(
            *ends, named(evidence, rest), Markup("") if worse else beside
        )
    without = [s for s in losses if s not in with_interval]
    if without:
        yield Markup("Without an interval of the loss: {} ({}).").format(named(evidence, without), losses[without[0]].reason)
