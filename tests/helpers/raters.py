"""Simulated participants: answers to an exported test by a known model, written as the page writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from reaudio_eval.evaluations.listening.answers import COLUMNS
from reaudio_eval.evaluations.listening.records import QUESTIONS, Clip, Form, Item, Key

BAD = -4.0  # quality of noise, and of a clip of another prompt


class Rater:
    """A participant whose opinion of a clip is the system's quality, plus effects of the prompt, of himself, and of the moment."""

    def __init__(
        self,
        name: str,
        quality: Mapping[str, float],
        prompts: Mapping[str, float],
        seed: int,
        *,
        own: float = 0.4,
        noise: float = 0.5,
    ) -> None:
        self.name, self.quality, self.prompts = name, quality, prompts
        self.rng = np.random.default_rng(seed)
        self.bias = self.rng.normal(0, own)
        self.taste = {s: self.rng.normal(0, own / 2) for s in sorted(quality)}
        self.noise = noise

    def opinion(self, item: Item, clip: Clip) -> float:
        if clip.system is None or clip.clip_id != item.prompt:
            return BAD
        effects = self.quality[clip.system] + self.prompts[clip.clip_id] + self.bias + self.taste[clip.system]
        return effects + self.rng.normal(0, self.noise)

    def answer(self, key: Key, item: Item) -> str:
        values = [self.opinion(item, clip) for clip in item.clips]
        if key.design == "pairs":
            gap = values[0] - values[1]
            return "=" if abs(gap) < 0.2 else "A" if gap > 0 else "B"
        middle, step = (key.scale + 1) / 2, (key.scale - 1) / 4
        return str(int(np.clip(round(middle + step * values[0]), 1, key.scale)))


class Careless(Rater):
    """Answers without listening."""

    def opinion(self, item: Item, clip: Clip) -> float:
        return float(self.rng.normal(1.5, 0.5))


def write_answers(folder: Path, key: Key, form: Form, rater: Rater, *, first: int | None = None) -> Path:
    """The rater's file for a form; only the ``first`` items are answered if given."""
    lines = [",".join(COLUMNS)]
    for order, item in enumerate(form.items, start=1):
        for question in QUESTIONS:
            done = first is None or order <= first
            answer = rater.answer(key, item) if done else ""
            row = (1, key.test_id, form.form, rater.name, item.item, question, answer, int(done), 8.5, order)
            lines.append(",".join(map(str, row)))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"answers-{form.form}-{rater.name}.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def ask(
    folder: Path, key: Key, quality: Mapping[str, float], n: int, *, seed: int = 0, own: float = 0.4, noise: float = 0.5
) -> list[Path]:
    """Files of ``n`` raters who take the forms in turn; prompts differ by a seeded effect."""
    rng = np.random.default_rng([seed, 1])
    prompts = {p.clip_id: rng.normal(0, 0.4) for p in key.prompts}
    raters = [Rater(f"p{i:02d}", quality, prompts, seed * 1000 + i, own=own, noise=noise) for i in range(n)]
    return [write_answers(folder, key, key.forms[i % len(key.forms)], rater) for i, rater in enumerate(raters)]
