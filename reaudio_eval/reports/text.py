"""Numbers, intervals, counts and lists as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from reaudio_eval.prompts.strata import Stratum

DASH = "–"


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


QUANTITIES = {"all": "all clips", "gap_head_tail": "head-tail gap", "slope": "slope"}


def stratum_words(stratum: Stratum) -> str:
    """``head classes (1,000 or more training clips)``; of a stratum named by its range ``classes with 10 to 99 training clips``."""
    clips = "training clip" if stratum.range_text == "1" else "training clips"
    if stratum.name[:1].isdigit():
        return f"classes with {stratum.range_text} {clips}"
    return f"{stratum.name} classes ({stratum.range_text} {clips})"


def strata_words(strata: Sequence[Stratum]) -> str:
    """``head: 1,000 or more; medium: 100 to 999; zero-shot: 0``; a stratum named by its range is said once: ``10-99``."""
    return "; ".join(s.name if s.name[:1].isdigit() else f"{s.name}: {s.range_text}" for s in strata)
