"""Agreement of listeners against published values and closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reaudio_eval.evaluations.listening.agreement import alpha_estimate, consistency, krippendorff_alpha, split_half
from reaudio_eval.evaluations.listening.resampling import Draws

# Four observers, twelve units; "." is no value. Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": interval 0.849.
PUBLISHED = (
    "123321412...",
    "12332241 25.3".replace(" ", ""),
    ".333234225 1.".replace(" ", ""),
    "1233244125 1.".replace(" ", ""),
)


def test_published_example() -> None:
    values, units = [], []
    for observer in PUBLISHED:
        assert len(observer) == 12
        for unit, value in enumerate(observer):
            if value != ".":
                values.append(float(value))
                units.append(f"u{unit}")
    assert krippendorff_alpha(np.array(values), units) == pytest.approx(0.849, abs=5e-4)


def test_alpha_by_definition() -> None:
    """Against the sum over all pairs of values, for units of different sizes."""
    rng = np.random.default_rng(0)
    units = [f"u{i}" for i in rng.integers(0, 8, 40)]
    values = rng.integers(1, 6, 40).astype(float)
    groups = [values[[u == name for u in units]] for name in sorted(set(units))]
    groups = [g for g in groups if len(g) > 1]
    pool = np.concatenate(groups)
    within = sum(((g[:, None] - g) ** 2).sum() / (len(g) - 1) for g in groups) / len(pool)
    between = ((pool[:, None] - pool) ** 2).sum() / (len(pool) * (len(pool) - 1))
    assert krippendorff_alpha(values, units) == pytest.approx(1 - within / between)


def test_alpha_limits() -> None:
    assert krippendorff_alpha(np.array([1.0, 1, 5, 5]), ["a", "a", "b", "b"]) == pytest.approx(1)
    assert np.isnan(krippendorff_alpha(np.array([3.0, 3, 3, 3]), ["a", "a", "b", "b"]))
    assert np.isnan(krippendorff_alpha(np.array([1.0, 2]), ["a", "b"]))
    rng = np.random.default_rng(1)
    assert abs(krippendorff_alpha(rng.normal(size=4000), [f"u{i // 4}" for i in range(4000)])) < 0.05


def table(people: int, prompts: int, noise: float, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=prompts)
    rows = [
        (f"p{i}", f"c{j:02d}", "s", None, truth[j] + noise * rng.normal()) for i in range(people) for j in range(prompts)
    ]
    return pd.DataFrame(rows, columns=["participant", "prompt", "system_a", "system_b", "value"])


def test_alpha_is_the_intraclass_correlation() -> None:
    """With many units alpha is the share of variance that units explain: 1 / (1 + noise**2)."""
    found = alpha_estimate(table(4, 400, 1.0), Draws(0, 200))
    assert found.value == pytest.approx(0.5, abs=0.06)
    assert found.interval.low < 0.5 < found.interval.high


def test_few_prompts_give_alpha_without_interval() -> None:
    found = alpha_estimate(table(4, 6, 0.5), Draws(0, 200))
    assert np.isfinite(found.value)
    assert "6 prompts" in str(found.interval.reason)


def test_naming_of_the_sides_does_not_matter() -> None:
    pairs = pd.DataFrame(
        [(f"p{i}", f"c{j}", "a", "b", 1.0 if i or j else 0.0) for i in range(5) for j in range(6)],
        columns=["participant", "prompt", "system_a", "system_b", "value"],
    )
    swapped = pairs.rename(columns={"system_a": "system_b", "system_b": "system_a"}).assign(value=1 - pairs["value"])
    first, second = (alpha_estimate(f, Draws(0, 50)).value for f in (pairs, swapped))
    assert first == pytest.approx(second)
    assert first > 0.8  # 29 of 30 answers agree


@pytest.mark.parametrize(("people", "noise"), [(8, 0.5), (16, 1.5)])
def test_reliability_is_that_of_the_mean(people: int, noise: float) -> None:
    """About 1 / (1 + noise**2 / people), for ranks of normal values a little less."""
    found, why = split_half(table(people, 200, noise).rename(columns={"system_a": "system"}), Draws(0, 10))
    assert why is None
    assert found == pytest.approx(1 / (1 + noise**2 / people), abs=0.05)


def test_reliability_needs_four_people() -> None:
    found, why = split_half(table(3, 20, 1).rename(columns={"system_a": "system"}), Draws(0, 10))
    assert np.isnan(found)
    assert "3 participants" in str(why)


def test_consistency() -> None:
    repeats = pd.DataFrame({"first": [1.0, 2, 3, 4], "second": [1.0, 4, 3, 3]})
    assert consistency(repeats) == (4, 0.5, 0.75)
    assert consistency(repeats[:0])[0] == 0
