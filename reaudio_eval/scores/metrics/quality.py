"""Quality: scores that a network gives a clip alone, without reference or caption."""

from __future__ import annotations

from functools import partial

from reaudio_eval.features.feature_set import FloatArray
from reaudio_eval.scores.metrics import ClipMetric, MetricInput

AXES = {
    "CE": "Content enjoyment",
    "CU": "Content usefulness",
    "PC": "Production complexity",
    "PQ": "Production quality",
}
NEUTRAL = ("PC",)
COMPLEXITY = (
    "Production complexity says how many sounds a clip holds: neither more nor less is better. "
    "Compare it with that of the real clips."
)
NOTE = (
    "The scores of Audiobox Aesthetics predict ratings of speech, music and sounds by listeners, on a scale from 1 to 10. "
    "They know neither the caption nor the real clip."
)


def _score(column: int, data: MetricInput) -> FloatArray:
    """float64 (n,): a column of the frames."""
    return data.generated.clip_means[:, column]


METRICS = tuple(
    ClipMetric(
        name=f"{axis.lower()}_{{embedder}}",
        title=title,
        higher_is_better=True,
        unit="rating",
        source=f"{title} ({axis}); {{embedder}}",
        role="quality",
        note=" ".join([NOTE, *([COMPLEXITY] if axis in NEUTRAL else [])]),
        names={"audiobox_aesthetics": f"audiobox_{axis.lower()}"},
        score=axis,
        neutral=axis in NEUTRAL,
        compute=partial(_score, column),
    )
    for column, (axis, title) in enumerate(AXES.items())
)
