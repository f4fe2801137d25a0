"""The confirmatory family of a page in words."""

from __future__ import annotations

from reaudio_eval.reports.first_screen.evidence import Evidence
from reaudio_eval.reports.first_screen.words import lower_first
from reaudio_eval.reports.text import count, listing
from reaudio_eval.statistics.families import GAP

FEW_PAIRS = 3  # named one by one
OTHERS = (
    "Every other test of this page is exploratory; tests with references (real audio, copies, oracles) stand apart. Both are corrected "
    "within each metric. Intervals are not corrected."
)


def family_text(evidence: Evidence) -> str:
    """Metric, pairs, quantities and number of the confirmatory tests; "" where nothing is compared."""
    family = evidence.family
    if not family.pairs:
        return ""
    titles = {g.name: g.title for g in (*([evidence.overall] if evidence.overall else []), *evidence.groups)}
    named = [q for q in family.quantities if q in titles]
    quantities = [f"mean over {titles[q]}" if q == "classes" else titles[q] for q in named]
    if GAP in family.quantities and evidence.ends is not None:
        quantities.append(f"{evidence.ends[0].title} minus {evidence.ends[1].title}")
    return (
        f"Confirmatory tests, named in advance: {lower_first(evidence.metric.title)}; {_pairs(evidence)}; {listing(quantities)}. "
        f"{count(evidence.n_tests, 'test')} could be made, and Holm's correction runs over all of them. {OTHERS}"
    )


def _pairs(evidence: Evidence) -> str:
    pairs = evidence.family.pairs
    if len(pairs) <= FEW_PAIRS:
        return listing([f"{evidence.name(a)} against {evidence.name(b)}" for a, b in pairs])
    controls = [evidence.name(c) for c in evidence.controls]
    systems = {name for pair in pairs for name in pair} - set(evidence.controls)
    each = f"each of {count(len(systems), evidence.words.noun)} against"
    with_controls = [f"{each} the {evidence.words.control} {listing(controls)}"] if controls else []
    among = (
        [f"{evidence.words.noun}s against each other"]
        if any(not set(pair) & set(evidence.controls) for pair in pairs)
        else []
    )
    return f"{' and '.join([*with_controls, *among])} ({count(len(pairs), 'pair')})"
