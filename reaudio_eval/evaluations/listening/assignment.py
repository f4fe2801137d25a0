"""Assignment of clips to forms: balanced designs, repeats, attention checks.

Designs are balanced over forms and random within a form.
A prompt's *units* are its clips (design "mos") or its pairs of clips (design "pairs"). A form takes ``per_prompt`` consecutive
units of every prompt from a circle that turns by ``per_prompt`` from form to form and by one from prompt to prompt, as in a
Latin square. So two clips are rated by numbers of forms that differ by at most one, and by equal numbers where forms x
per_prompt is a multiple of the units.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np

from reaudio_eval.evaluations.listening.records import REAL, Clip, Form, Item, TestPrompt
from reaudio_eval.evaluations.listening.request import Design

ORDERS_TRIED = 50  # random orders; the first with the fewest neighbours of one prompt is taken
# Captions that noise may match: unsuitable for a noise check.
NOISE_LIKE = re.compile(
    r"nois|static|hiss|rain|wind|water|wave|sea|ocean|river|stream|fall|applau|steam|fire|fry|sizzl|spray|surf|storm|breez|rustl"
    r"|vacuum|blow|whoosh|air|hair|crowd|shower|engine|fan\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Layout:
    """Parameters of the forms.

    Attributes:
        design: "mos" or "pairs".
        systems: names, each with a clip of every prompt.
        prompts: of the test.
        labels: clip id -> trusted labels, for mismatches.
        n_forms: participant pages.
        per_prompt: units of each prompt in a form, None for all.
        repeat_share: items that come twice, as a share of the items to rate.
        n_checks: attention checks in each form.
        seed: form i draws from (seed, i).
    """

    design: Design
    systems: tuple[str, ...]
    prompts: tuple[TestPrompt, ...]
    labels: Mapping[str, frozenset[str]]
    n_forms: int
    per_prompt: int | None
    repeat_share: float
    n_checks: int
    seed: int

    @property
    def units(self) -> list[tuple[str, ...]]:
        """The systems of each unit of a prompt."""
        return list(combinations(self.systems, 1 if self.design == "mos" else 2))

    @property
    def taken(self) -> int:
        """Units of each prompt in a form."""
        return len(self.units) if self.per_prompt is None else min(self.per_prompt, len(self.units))


def make_forms(layout: Layout) -> tuple[Form, ...]:
    """The forms; the same for the same layout."""
    maker = _Maker(layout)
    return tuple(maker.form(number) for number in range(1, layout.n_forms + 1))


def uneven(layout: Layout, forms: Sequence[Form]) -> tuple[int, int]:
    """The smallest and largest number of forms that rate a unit of a prompt."""
    rated = Counter((i.prompt, frozenset(i.clips)) for f in forms for i in f.items if i.kind == "rating")
    possible = len(layout.units) * len(layout.prompts)
    return (0 if len(rated) < possible else min(rated.values())), max(rated.values())


class _Maker:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.used: set[str] = set()
        self.sides = self._balanced_sides()

    def _rng(self, *what: object) -> np.random.Generator:
        text = "\0".join(map(str, (self.layout.seed, self.layout.design, *what)))
        return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))

    def _token(self, rng: np.random.Generator) -> str:
        """A random id, unique in the test."""
        while (token := rng.bytes(5).hex()) in self.used:
            continue
        self.used.add(token)
        return token

    def _places(self) -> list[tuple[int, str, tuple[str, ...]]]:
        """(form, prompt, unit) of every item to rate, form by form."""
        layout = self.layout
        units, taken = layout.units, layout.taken
        return [
            (form, prompt.clip_id, units[(i + form * taken + j) % len(units)])
            for form in range(layout.n_forms)
            for i, prompt in enumerate(layout.prompts)
            for j in range(taken)
        ]

    def _balanced_sides(self) -> dict[tuple[int, str, tuple[str, ...]], bool]:
        """Which pairs are swapped: half of the appearances of each pair of systems, at random."""
        places = self._places()
        sides: dict[tuple[int, str, tuple[str, ...]], bool] = {}
        for unit in self.layout.units:
            appearances = [p for p in places if p[2] == unit]
            swapped = self._rng("sides", *unit).permutation(np.arange(len(appearances)) % 2)
            sides |= dict(zip(appearances, (bool(s) for s in swapped), strict=True))
        return sides

    def form(self, number: int) -> Form:
        rng = self._rng("form", number)
        rated = []
        for place, swapped in self.sides.items():
            form, prompt, unit = place
            if form == number - 1:
                clips = tuple(Clip(s, prompt) for s in unit)
                clips = clips[::-1] if swapped and len(clips) == 2 else clips
                rated.append(Item(self._token(rng), "rating", prompt, clips))
        rated = _spread(sorted(rated, key=lambda i: (i.prompt, str(i.clips))), rng)
        order = self._with_repeats(rated, rng)
        for check in self._checks(rng):
            # Not among the first two, which serve as practice.
            order.insert(int(rng.integers(min(2, len(order)), len(order) + 1)), check)
        return Form(str(number), tuple(order))

    def _with_repeats(self, rated: list[Item], rng: np.random.Generator) -> list[Item]:
        """Items of the first half again in the last third; a pair with its sides swapped."""
        share = self.layout.repeat_share
        wanted = min(max(1, round(share * len(rated))), len(rated) // 2) if share > 0 else 0
        order = list(rated)
        for i in rng.permutation(max(1, len(rated) // 2))[:wanted]:
            first = rated[int(i)]
            again = replace(first, item=self._token(rng), kind="repeat", clips=first.clips[::-1], repeats=first.item)
            order.insert(int(rng.integers(math.ceil(2 * len(order) / 3), len(order) + 1)), again)
        return order

    def _checks(self, rng: np.random.Generator) -> list[Item]:
        """Noise and mismatches in turn, noise first; a kind that is not possible is replaced by the other."""
        prompts = [p for p in self.layout.prompts if not NOISE_LIKE.search(p.caption)]
        good = REAL if REAL in self.layout.systems else self.layout.systems[0]
        checks: list[Item] = []
        for i in range(self.layout.n_checks):
            mismatch = self._mismatch(rng)
            if mismatch is not None and (i % 2 or not prompts):
                checks.append(mismatch)
            elif prompts:
                shown = prompts[int(rng.integers(len(prompts)))].clip_id
                checks.append(self._check("noise", shown, Clip(None, ""), Clip(good, shown), rng))
        return checks

    def _mismatch(self, rng: np.random.Generator) -> Item | None:
        """A caption with the clip of a prompt that shares no label and the fewest words with it; None where no two differ, or
        where a pair has no real clip that would certainly fit."""
        layout = self.layout
        if layout.design == "pairs" and REAL not in layout.systems:
            return None
        good = REAL if REAL in layout.systems else layout.systems[0]
        shown = layout.prompts[int(rng.integers(len(layout.prompts)))]
        labels, words = layout.labels.get(shown.clip_id, frozenset()), _words(shown.caption)
        others = [
            p
            for p in layout.prompts
            if p.clip_id != shown.clip_id and not labels & layout.labels.get(p.clip_id, frozenset())
        ]
        if not others:
            return None
        fewest = min(len(words & _words(p.caption)) for p in others)
        different = [p for p in others if len(words & _words(p.caption)) == fewest]
        presented = different[int(rng.integers(len(different)))].clip_id
        return self._check("mismatch", shown.clip_id, Clip(good, presented), Clip(good, shown.clip_id), rng)

    def _check(self, kind: str, prompt: str, bad: Clip, good: Clip, rng: np.random.Generator) -> Item:
        token = self._token(rng)
        clips: tuple[Clip, ...] = (bad,)
        if self.layout.design == "pairs":
            clips = (bad, good) if rng.integers(2) else (good, bad)
        return Item(token, "noise" if kind == "noise" else "mismatch", prompt, clips)


def _words(caption: str) -> set[str]:
    return {word for word in re.findall(r"\w+", caption.lower()) if len(word) > 3}


def _spread(items: list[Item], rng: np.random.Generator) -> list[Item]:
    """A random order in which clips of one prompt rarely follow each other."""
    best: list[Item] = []
    fewest = len(items) + 1
    for _ in range(ORDERS_TRIED):
        order = [items[int(i)] for i in rng.permutation(len(items))]
        close = sum(a.prompt == b.prompt for a, b in pairwise(order))
        if close < fewest:
            best, fewest = order, close
        if fewest == 0:
            break
    return best
