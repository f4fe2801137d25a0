"""Warnings about the numbers of a zero-shot analysis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reaudio_eval.clips.system import Role, SystemInfo
from reaudio_eval.evaluations.zeroshot.comparisons import RegimeClasses
from reaudio_eval.prompts.regimes import RARE, ZERO_SHOT, Regime
from reaudio_eval.prompts.training_labels import UNKNOWN, Training
from reaudio_eval.statistics.analysis import Alert

CONTROLS: Mapping[Role, str] = {
    "control": "No no-retrieval control is among the systems (--control NAME), so the gain from retrieval over it is not shown.",
    "copy": "The retrieved clips are not among the systems (--copied NAME), so the gain from generation over them is not shown.",
}


def zeroshot_alerts(
    shown: Sequence[Regime],
    classes: RegimeClasses,
    systems: Sequence[SystemInfo],
    training: Mapping[str, Training],
    every_prompt: bool,
) -> Iterator[Alert]:
    """Alerts of an analysis by regime.

    Args:
        shown: regimes with a class among the prompts.
        classes: by regime.
        systems: of the report.
        training: of every system.
        every_prompt: whether all prompts of the split were used.
    """
    yield from _few_classes(shown, classes)
    if not any(regime in ZERO_SHOT for regime in shown):
        yield Alert("warning", "Every class of these prompts has training clips: no result here is zero-shot.")
    yield from _unknown_training(systems, training)
    roles = {s.role for s in systems}
    yield from (Alert("warning", text) for role, text in CONTROLS.items() if role not in roles)
    if not every_prompt:
        yield Alert(
            "note",
            "Only prompts with a zero-shot or few-shot class were used, so the classes seen in training occur here together with rarer "
            "ones only; --all uses every prompt.",
        )
    yield Alert(
        "note",
        "Zero-shot refers to the generator. Encoders for its conditioning and for scoring (CLAP, T5, taggers) may have been trained on "
        "these classes.",
    )
    yield Alert(
        "note",
        "Metrics of sets of clips (FAD, FD, KAD, IS) are not shown: a regime has too few clips for them. `reaudio-eval longtail` shows "
        "them with their floor.",
    )


def _few_classes(shown: Sequence[Regime], classes: RegimeClasses) -> Iterator[Alert]:
    for regime in (r for r in shown if r in RARE):
        n_classes, n_clips = classes.size(regime)
        if n_classes < classes.context.min_classes:
            yield Alert(
                "warning",
                f"{n_classes} {'class is' if n_classes == 1 else 'classes are'} {regime.title} ({n_clips} "
                f"{'clip' if n_clips == 1 else 'clips'}): too few for an interval, a test or reliable numbers.",
            )


def _unknown_training(systems: Sequence[SystemInfo], training: Mapping[str, Training]) -> Iterator[Alert]:
    for name in sorted(s.name for s in systems if not training[s.name].known):
        described = "" if training[name] == UNKNOWN else f" ({training[name].text})"
        yield Alert(
            "warning",
            f"The training data of {name} are not known{described}: its numbers are shown, but none is called zero-shot or few-shot, and "
            f"it is left out of the tests. State them with --trained-on {name}=dataset, =all, or =FILE.",
        )
