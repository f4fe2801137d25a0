"""Numbers, intervals, counts and lists as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from reaudio_eval.prompts.strata import Stratum, stratum_titles

DASH = "–"
WITH_INTERVALS = ", with 95% intervals"  # ends a caption


def decimals(values: Iterable[float]) -> int:
    """Decimals for a column of values: three significant digits below 1, two decimals below 100, then fewer.

    The largest magnitude decides, so that the numbers of a column line up.
    """
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if largest >= 1_000:
        return 0
    if largest >= 100:
        return 1
    if largest >= 1 or largest == 0:
        return 2
    return min(2 - math.floor(math.log10(largest)), 8)


def number(value: float, digits: int, *, sign: bool = False) -> str:
    """``value`` with ``digits`` decimals and thousands separated; the dash if it is not finite."""
    if not math.isfinite(value):
        return DASH
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    if float(text.replace(",", "")) == 0:  # no minus zero
        text = text.lstrip("+-")
    return text.replace("-", "−")


def interval(low: float, high: float, digits: int) -> str:
    """``[low, high]``, or "" unless both ends are known."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{number(low, digits)},\N{NO-BREAK SPACE}{number(high, digits)}]"


def p_value(p: float) -> str:
    """Three decimals, "< 0.001" below."""
    if not math.isfinite(p):
        return DASH
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_words(p: float) -> str:
    """``= 0.012`` or ``< 0.001``, to follow the letter p."""
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def count(n: float, singular: str, plural: str | None = None) -> str:
    """``1 clip``, ``2 clips``, ``3 classes``."""
    word = singular if n == 1 else plural or singular + "s"
    return f"{int(n):,} {word}"


def listing(items: Sequence[str], conjunction: str = "and") -> str:
    """``A``, ``A and B``, ``A, B and C``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"


def bold_listing(names: Sequence[str]) -> Markup:
    """:func:`listing` of names in bold, each escaped."""
    return Markup(listing([str(Markup("<b>{}</b>").format(name)) for name in names]))  # noqa: S704 - each name is escaped


QUANTITIES = {"all": "all clips", "classes": "all classes", "slope": "slope"}
MIN_FOR_ENDS = 3  # strata: two with training clips, and the unseen classes


def end_titles(strata: Sequence[Stratum]) -> tuple[str, str]:
    """The strata of the gap, the most frequent and the rarest with training clips; strata are given most frequent first, unseen last."""
    return (strata[0].title, strata[-2].title) if len(strata) >= MIN_FOR_ENDS else ("head", "tail")


def quantity_titles(strata: Sequence[Stratum]) -> dict[str, str]:
    """Name -> title of every quantity that systems are compared in."""
    return {**QUANTITIES, "gap_head_tail": " minus ".join(end_titles(strata)), **stratum_titles(strata)}


def stratum_words(stratum: Stratum) -> str:
    """``common classes (1,000 or more training clips)``; of a stratum without a word ``classes with 10-99 training clips``."""
    if not stratum.word:
        return f"classes with {_training_clips(stratum)}"
    return f"{stratum.word} classes ({_training_clips(stratum)})"


def stratum_meaning(stratum: Stratum) -> str:
    """``common: 1,000 or more training clips``; of a stratum without a word ``10-99 training clips``."""
    return f"{stratum.word}: {_training_clips(stratum)}" if stratum.word else _training_clips(stratum)


def strata_words(strata: Sequence[Stratum]) -> str:
    """``common: 100 or more training clips; medium: 10-99; rare: 1-9; unseen: 0``."""
    ranges = [_training_clips(s) if i == 0 else s.counts for i, s in enumerate(strata)]
    return "; ".join(f"{s.word}: {text}" if s.word else text for s, text in zip(strata, ranges, strict=True))


def _training_clips(stratum: Stratum) -> str:
    if stratum.high is None:
        return f"{stratum.low:,} or more training clips"
    return {"0": "no training clips", "1": "1 training clip"}.get(stratum.counts, f"{stratum.counts} training clips")
