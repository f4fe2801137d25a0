"""Sign-flip tests of paired differences."""

from __future__ import annotations

import numpy as np

from reaudio_eval.scores.jackknife import Floats

MAX_ENUMERATED = 14  # units; 2**13 sign patterns up to symmetry
N_FLIPS = 19_999  # the smallest p-value is 5e-5: 5 % survives Holm's correction over 1,000 comparisons
_FLIP_BLOCK = 2_000


def sign_flip_p(terms: Floats, rng: np.random.Generator, n_flips: int = N_FLIPS) -> Floats:
    """Two-sided p-values of sums of signed terms: how often random signs give a sum at least as far from zero.

    For a mean of paired differences the terms are the differences: exact when they are symmetric about zero. With at most
    ``MAX_ENUMERATED`` non-zero terms every pattern is enumerated, so that few units give a large p (five units never less than 1/16);
    otherwise p is (1 + hits) / (1 + n_flips).

    Args:
        terms: float64 (n, q), a column for each test; units that do not take part are 0.
        rng: source of the signs.
        n_flips: random sign patterns.

    Returns:
        float64 (q,).
    """
    p = np.ones(terms.shape[1])
    # Patterns that tie with the observed sum must count in spite of rounding.
    threshold = np.abs(terms.sum(axis=0)) - 1e-10 * np.abs(terms).sum(axis=0)
    n_terms = np.count_nonzero(terms, axis=0)
    for column in np.flatnonzero((n_terms > 0) & (n_terms <= MAX_ENUMERATED)):
        active = terms[terms[:, column] != 0, column]
        patterns = (np.arange(2 ** (len(active) - 1))[:, None] >> np.arange(len(active)) & 1) * 2.0 - 1
        p[column] = np.mean(np.abs(patterns @ active) >= threshold[column])
    sampled = np.flatnonzero(n_terms > MAX_ENUMERATED)
    if len(sampled):
        hits = np.zeros(len(sampled))
        for start in range(0, n_flips, _FLIP_BLOCK):
            block = min(_FLIP_BLOCK, n_flips - start)
            signs = rng.integers(0, 2, size=(block, len(terms)), dtype=np.int8) * 2.0 - 1
            hits += np.count_nonzero(np.abs(signs @ terms[:, sampled]) >= threshold[sampled], axis=0)
        p[sampled] = (1 + hits) / (1 + n_flips)
    return p
