"""Colours of strata: distinct for everyone, visible on both surfaces, one for each stratum."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from reaudio_eval.prompts.strata import PAPER_BINS, strata_scheme
from reaudio_eval.reports.palette import SURFACE, stratum_colours

MARK_CONTRAST = 3.0  # WCAG 2.2, 1.4.11
DISTANCE = 0.12  # in OKLab
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
LMS = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
LAB = [
    [0.2104542553, 0.793617785, -0.0040720468],
    [1.9779984951, -2.428592205, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.808675766],
]


def linear(colour: str) -> np.ndarray:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(LAB) @ np.cbrt(np.asarray(LMS) @ np.clip(rgb, 0, 1))


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_strata_are_distinct(scheme: str, vision: str) -> None:
    colours = [getattr(colour, scheme) for colour in stratum_colours(PAPER_BINS[::-1]).values()]
    assert len(set(colours)) == len(PAPER_BINS) == 6
    seen = [oklab(np.asarray(VISION[vision]) @ linear(colour)) for colour in colours]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > DISTANCE


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_strata_stand_out_from_the_surface(scheme: str) -> None:
    for colour in stratum_colours(PAPER_BINS).values():
        low, high = sorted((luminance(getattr(colour, scheme)), luminance(getattr(SURFACE, scheme))))
        assert (high + 0.05) / (low + 0.05) >= MARK_CONTRAST


def test_the_unseen_stratum_has_its_colour_in_every_scheme() -> None:
    unseen = {stratum_colours(strata)[strata[-1].name] for strata in (strata_scheme(s, {}) for s in ("log10", "lvis", "5"))}
    assert len(unseen) == 1
    many = stratum_colours(strata_scheme("2,3,4,5,6,7,8", {}))
    assert len(set(many.values())) == 6
