"""What a reader must know before believing a zero-shot number, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reaudio_eval.evaluations.zeroshot.comparisons import Role, World
from reaudio_eval.prompts.regimes import RARE, ZERO_SHOT, Regime
from reaudio_eval.prompts.training_labels import UNKNOWN, Training
from reaudio_eval.statistics.analysis import Alert


def zeroshot_alerts(
    shown: Sequence[Regime],
    world: World,
    roles: Mapping[str, Role],
    training: Mapping[str, Training],
    every_prompt: bool,
) -> Iterator[Alert]:
    """Alerts of an analysis by regime.

    Args:
        shown: regimes that some class is in.
        world: the classes.
        roles, training: of every system of the report.
        every_prompt: whether all prompts of the split were used.
    """
    for regime in (r for r in shown if r in RARE):
        n_classes, n_clips = world.size(regime)
        if n_classes < world.context.min_classes:
            yield Alert(
                "warning",
                f"{n_classes} {'class is' if n_classes == 1 else 'classes are'} {regime.title} ({n_clips} "
                f"{'clip' if n_clips == 1 else 'clips'}): too few for an interval or a test, read the numbers as anecdotes.",
            )
    if not any(regime in ZERO_SHOT for regime in shown):
        yield Alert("warning", "No class of these prompts is without training clips: nothing here is zero-shot.")
    for name in sorted(n for n in roles if not training[n].known):
        said = "" if training[name] == UNKNOWN else f" ({training[name].text})"
        yield Alert(
            "warning",
            f"What {name} was trained on is not known{said}: its numbers are shown, but no class can be called zero-shot or few-shot for "
            f"it, and it is left out of the tests. Say it with --trained-on {name}=dataset, =all, or =FILE.",
        )
    missing = {
        "twin": "No system without retrieval stands beside the others (--twin NAME), so what retrieval buys over it is not shown.",
        "copy": "The retrieved clips themselves do not stand beside the systems (--copied NAME), so what generating adds to them is not "
        "shown.",
    }
    yield from (Alert("warning", text) for role, text in missing.items() if role not in roles.values())
    if not every_prompt:
        yield Alert(
            "note",
            "Only prompts with a zero-shot or few-shot class were used, so the classes seen in training occur here beside rarer ones "
            "only; --all uses every prompt.",
        )
    yield Alert(
        "note",
        "Zero-shot is said of the generator. The encoders that condition it and those that judge it (CLAP, T5, taggers) may well have met "
        "these classes.",
    )
    yield Alert(
        "note",
        "Metrics of sets of clips (FAD, FD, KAD, IS) are not shown: a regime holds too few clips for them. `reaudio-eval longtail` has "
        "them beside their floor.",
    )
