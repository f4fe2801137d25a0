"""Regimes: classes by training clips and clips in the retrieval pool."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_model.common.errors import ReaudioError

FEW_SHOT = 19  # training clips; "few" in the ImageNet-LT cut of Kang et al. (fewer than 20)


@dataclass(frozen=True, slots=True)
class Regime:
    """A kind of class. name: key in files; title: in tables; meaning: a sentence part, after "classes"."""

    name: str
    title: str
    meaning: str


POOL_ONLY = Regime("pool_only", "only in the pool", "without a training clip that the retrieval pool holds")
NEITHER = Regime(
    "neither", "in neither training nor pool", "without a training clip and without a clip in the retrieval pool"
)
UNKNOWN_POOL = Regime(
    "unknown_pool", "zero-shot, pool unknown", "without a training clip; what the retrieval pool holds is not known"
)
FEW = Regime("few_shot", "few-shot", "with 1 to {few_shot} training clips")
SEEN = Regime("seen", "seen", "with more than {few_shot} training clips")
ZERO_SHOT = (UNKNOWN_POOL, POOL_ONLY, NEITHER)
RARE = (FEW, *ZERO_SHOT)  # what is tested; seen classes are context
REGIMES = (SEEN, *RARE)  # common to rare, as on every page


def check_few_shot(few_shot: int) -> int:
    """``few_shot`` if it is a count.

    Raises:
        ReaudioError: below 0.
    """
    if few_shot < 0:
        raise ReaudioError(f"--few-shot must be 0 (no such regime) or more, not {few_shot}.")
    return few_shot


def regime_of(n_train: int, n_pool: int | None, few_shot: int = FEW_SHOT) -> Regime:
    """The regime of a class.

    Args:
        n_train: training clips with it.
        n_pool: clips of the retrieval pool with it; None where the pool is unknown.
        few_shot: a class with 1 to this many training clips is few-shot.
    """
    if n_train > 0:
        return FEW if n_train <= few_shot else SEEN
    if n_pool is None:
        return UNKNOWN_POOL
    return POOL_ONLY if n_pool > 0 else NEITHER


def label_regime(dataset: Dataset, label: str, few_shot: int = FEW_SHOT) -> Regime:
    """The regime of a label of a dataset."""
    return regime_of(dataset.n_train(label), dataset.n_pool(label), few_shot)


def present(dataset: Dataset, few_shot: int = FEW_SHOT) -> tuple[Regime, ...]:
    """The regimes that some class of the prompts (with trusted labels) is in, in the order of ``REGIMES``."""
    found = {label_regime(dataset, label, few_shot) for p in dataset.prompts if p.labels_known for label in p.labels}
    return tuple(regime for regime in REGIMES if regime in found)


def rare_prompts(dataset: Dataset, few_shot: int = FEW_SHOT) -> tuple[Prompt, ...]:
    """The prompts with a zero-shot or few-shot class, those with zero-shot classes first, else in the dataset's order.

    Raises:
        ReaudioError: there is none.
    """
    found = [(p, {label_regime(dataset, label, few_shot) for label in p.labels}) for p in dataset.prompts if p.labels_known]
    rare = [(p, regimes) for p, regimes in found if not regimes.isdisjoint(RARE)]
    chosen = sorted(rare, key=lambda pair: pair[1].isdisjoint(ZERO_SHOT))
    if not chosen:
        raise ReaudioError(
            f"No prompt of {dataset.name}/{dataset.split} has a class with {few_shot} training clips or fewer: raise --few-shot, choose "
            "another --split, or use `reaudio-eval longtail`."
        )
    return tuple(prompt for prompt, _ in chosen)


def described(regime: Regime, few_shot: int) -> Regime:
    """The regime with the declared number in its meaning."""
    return dataclasses.replace(regime, meaning=regime.meaning.format(few_shot=few_shot))
