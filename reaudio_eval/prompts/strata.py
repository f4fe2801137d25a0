"""Strata: classes grouped by how often they occur in training.

A stratum is a half-open interval of training counts, defined by the training set and never by the test set. Classes without
training clips are a stratum of their own in every scheme.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from reaudio_eval.prompts.dataset import Prompt
from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.tables import is_count


@dataclass(frozen=True, slots=True)
class Stratum:
    """Classes whose training count lies in [low, high): half-open, in clips; high None means no upper end.

    Attributes:
        name: key in files.
        low, high: the interval.
        word: for readers, "common" or "rare"; "" for a stratum known by its range alone. It depends on the other strata of the
            scheme (:func:`with_words`), so runs do not store it and it is not compared.
    """

    name: str
    low: int
    high: int | None
    word: str = field(default="", compare=False)

    def contains(self, n_train: int) -> bool:
        return n_train >= self.low and (self.high is None or n_train < self.high)

    def to_json(self) -> dict[str, str | int | None]:
        """What a run stores of it."""
        return {"name": self.name, "low": self.low, "high": self.high}

    @property
    def counts(self) -> str:
        """Its training counts: "100+", "10-99" or "0"."""
        if self.high is None:
            return f"{self.low:,}+"
        return f"{self.low:,}" if self.high == self.low + 1 else f"{self.low:,}-{self.high - 1:,}"

    @property
    def title(self) -> str:
        """For readers, on pages and in figures and tables: "common 100+", "unseen"; without a word "10-99 clips"."""
        if self.high == 1:
            return self.word or "0 clips"
        return f"{self.word} {self.counts}" if self.word else f"{self.counts} clips"

    @property
    def range_text(self) -> str:
        if self.high is None:
            return f"{self.low:,} or more"
        if self.high == self.low + 1:
            return f"{self.low:,}"
        return f"{self.low:,} to {self.high - 1:,}"


ZERO_SHOT = Stratum("zero-shot", 0, 1, "unseen")

# The words of the strata with training clips, most frequent first, by their number.
_WORDS: Mapping[int, tuple[str, ...]] = {
    1: ("seen",),
    2: ("common", "rare"),
    3: ("common", "medium", "rare"),
    4: ("very common", "common", "rare", "very rare"),
    5: ("very common", "common", "medium", "rare", "very rare"),
}
# Schemes whose own words say something else than those above: "common" is the middle of LVIS.
_OWN_WORDS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("frequent", "common", "rare"): ("frequent", "common", "rare"),
    ("many", "medium", "few"): ("many-shot", "medium-shot", "few-shot"),
}


def with_words(strata: Sequence[Stratum]) -> tuple[Stratum, ...]:
    """The strata with their words for readers.

    Args:
        strata: most frequent first, :data:`ZERO_SHOT` last. Of more than five with training clips only the ends get a word.
    """
    seen = tuple(s.name for s in strata if s.high is None or s.high > 1)
    words = _OWN_WORDS.get(seen) or _WORDS.get(len(seen)) or ("common", *[""] * (len(seen) - 2), "rare")
    of = dict(zip(seen, words, strict=True))
    return tuple(replace(s, word=of.get(s.name, ZERO_SHOT.word)) for s in strata)


_FIXED: Mapping[str, tuple[Stratum, ...]] = {
    "log10": (Stratum("head", 1000, None), Stratum("medium", 100, 1000), Stratum("tail", 1, 100), ZERO_SHOT),
    # The edges of the lvis-api code (< 10, < 100); the paper's wording (1-10, 11-100) differs by one.
    "lvis": (Stratum("frequent", 100, None), Stratum("common", 10, 100), Stratum("rare", 1, 10), ZERO_SHOT),
    # The edges of Kang et al.'s classifier-balancing code (> 100, < 20); OLTR's code has >= 100 and <= 20.
    "imagenet-lt": (Stratum("many", 101, None), Stratum("medium", 20, 101), Stratum("few", 1, 20), ZERO_SHOT),
}
_TERTILE = "tertile"
SCHEMES: tuple[str, ...] = (*_FIXED, _TERTILE)

# The bins of the label histogram of AudioCaps (Figure 1 of the Re-AudioLDM paper), rarest first.
PAPER_BINS: tuple[Stratum, ...] = (
    Stratum("0", 0, 1),
    Stratum("1-10", 1, 11),
    Stratum("11-100", 11, 101),
    Stratum("101-1,000", 101, 1001),
    Stratum("1,001-10,000", 1001, 10001),
    Stratum("> 10,000", 10001, None),
)


def stratum_titles(strata: Iterable[Stratum]) -> dict[str, str]:
    """Name -> title, for frames, which hold names."""
    return {s.name: s.title for s in strata}


def strata_scheme(spec: str, train_counts: Mapping[str, int]) -> tuple[Stratum, ...]:
    """The strata a name or a list of edges stands for, most frequent first, zero-shot last.

    Args:
        spec: "log10" (head >= 1,000, medium 100-999, tail 1-99), "lvis" (frequent >= 100, common 10-99, rare 1-9),
            "imagenet-lt" (many > 100, medium 20-100, few 1-19), "tertile" (thirds of the classes seen in training, classes
            of equal count kept together), or ascending edges such as "10,100,1000", each the lowest count of its stratum.
        train_counts: label -> training clips that carry it; only "tertile" looks at it.

    Returns:
        Strata that cover [0, inf) without overlap; the last one is ``ZERO_SHOT``.

    Raises:
        UnknownNameError: no such scheme.
        ReaudioError: edges that are not ascending positive integers; "tertile" with fewer than three different counts.
    """
    name = spec.strip().lower()
    if name in _FIXED:
        return with_words(_FIXED[name])
    if name == _TERTILE:
        return with_words(_tertiles(train_counts))
    if "," in name or name.lstrip("+-").replace(".", "").isdigit():
        return with_words(_from_edges(name))
    raise UnknownNameError("strata scheme", spec, (*SCHEMES, "10,100,1000"))


def _tertiles(train_counts: Mapping[str, int]) -> tuple[Stratum, ...]:
    counts = np.array([n for n in train_counts.values() if n > 0])
    values, sizes = np.unique(counts, return_counts=True)
    if len(values) < 3:
        raise ReaudioError(
            f"--strata tertile needs at least three different training counts, the dataset has {len(values)}: "
            "give edges instead, e.g. --strata 10,100."
        )
    below = np.cumsum(sizes) - sizes  # classes rarer than each count
    first = 1 + int(np.argmin(np.abs(below[1:-1] - len(counts) / 3)))
    second = first + 1 + int(np.argmin(np.abs(below[first + 1 :] - 2 * len(counts) / 3)))
    low, high = int(values[first]), int(values[second])
    return (Stratum("head", high, None), Stratum("medium", low, high), Stratum("tail", 1, low), ZERO_SHOT)


def _from_edges(text: str) -> tuple[Stratum, ...]:
    message = f"--strata {text}: the edges must be ascending positive whole numbers, e.g. --strata 10,100,1000."
    parts = text.split(",")
    if not all(map(is_count, parts)):
        raise ReaudioError(message)
    edges = [int(part) for part in parts]
    if edges[0] < 1 or any(a >= b for a, b in pairwise(edges)):
        raise ReaudioError(message)
    lows = edges if edges[0] == 1 else [1, *edges]
    bounded = [Stratum(_range_name(a, b), a, b) for a, b in pairwise(lows)]
    return (Stratum(f"{lows[-1]}+", lows[-1], None), *reversed(bounded), ZERO_SHOT)


def _range_name(low: int, high: int) -> str:
    return str(low) if high == low + 1 else f"{low}-{high - 1}"


def check_strata(strata: Sequence[Stratum]) -> None:
    """Refuse strata that do not run from the most frequent to zero-shot, or leave a gap, overlap, or share a name.

    Raises:
        ReaudioError: with the offending pair.
    """
    if not strata or strata[0].high is not None or (strata[-1].low, strata[-1].high) != (0, 1):
        raise ReaudioError("Strata must start with one that has no upper end and finish with the counts [0, 1) (zero-shot).")
    for upper, lower in pairwise(strata):
        if upper.low != lower.high:
            raise ReaudioError(f"The strata {upper.name!r} and {lower.name!r} do not meet: {lower.high} is not {upper.low}.")
    if len({s.name for s in strata}) < len(strata):
        raise ReaudioError(f"Two strata have the same name: {', '.join(s.name for s in strata)}.")


def stratum_of(n_train: int, strata: Sequence[Stratum]) -> Stratum:
    """The stratum whose interval holds a training count.

    Raises:
        ValueError: no stratum does.
    """
    for stratum in strata:
        if stratum.contains(n_train):
            return stratum
    raise ValueError(f"no stratum holds {n_train} training clips")


def rarest_label(labels: Iterable[str], n_train: Callable[[str], int]) -> str | None:
    """The label with the fewest training clips (of equally rare ones the first by id), or None without labels."""
    return min(labels, key=lambda label: (n_train(label), label), default=None)


def prompt_stratum(prompt: Prompt, n_train: Callable[[str], int], strata: Sequence[Stratum]) -> Stratum | None:
    """The stratum of a prompt's rarest label, or None when its labels are absent or not trusted."""
    label = rarest_label(prompt.labels, n_train) if prompt.labels_known else None
    return None if label is None else stratum_of(n_train(label), strata)


def partition_by_rarest(
    prompts: Iterable[Prompt], n_train: Callable[[str], int], strata: Sequence[Stratum]
) -> dict[str, npt.NDArray[np.intp]]:
    """Rows of ``prompts`` by the stratum of their rarest label: every stratum is a key, in order; prompts without trusted
    labels are in none."""
    rows: dict[str, list[int]] = {s.name: [] for s in strata}
    for row, prompt in enumerate(prompts):
        stratum = prompt_stratum(prompt, n_train, strata)
        if stratum is not None:
            rows[stratum.name].append(row)
    return {name: np.array(members, dtype=np.intp) for name, members in rows.items()}


def histogram(counts: Iterable[int], bins: Sequence[Stratum] = PAPER_BINS) -> dict[str, int]:
    """How many of the training counts fall into each bin, in the order of the bins."""
    table = dict.fromkeys((b.name for b in bins), 0)
    for count in counts:
        table[stratum_of(count, bins).name] += 1
    return table
