"""Page of a participant in a listening test (names no system)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from reaudio_eval.evaluations.listening.records import FIRST, NEITHER, OVL, REL, SECOND
from reaudio_eval.evaluations.listening.request import Design
from reaudio_eval.reports.page import own_text, page_environment, policy
from reaudio_eval.reports.palette import css_variables

ANSWER_SECONDS = 8.0  # per item


class PageItem(NamedTuple):
    """item: opaque id; caption: shown; sounds: positions in the sounds of the page."""

    item: str
    caption: str
    sounds: tuple[int, ...]


_HELP: Mapping[Design, Mapping[str, tuple[str, str]]] = {
    "mos": {
        OVL: ("How good does it sound?", "Sound quality and naturalness, whatever the text says."),
        REL: (
            "How well does it fit the text?",
            "You can hear everything that the text names, and nothing that contradicts it.",
        ),
    },
    "pairs": {
        OVL: ("Which one sounds better?", "Sound quality and naturalness, whatever the text says."),
        REL: (
            "Which one fits the text better?",
            "You can hear everything that the text names, and nothing that contradicts it.",
        ),
    },
}
_LABELS: Mapping[str, tuple[str, ...]] = {
    OVL: ("Bad", "Poor", "Fair", "Good", "Excellent"),  # the categories of ITU-T P.800
    REL: ("Not at all", "Poorly", "Partly", "Mostly", "Fully"),
}


@dataclass(frozen=True)
class FormPage:
    """Content of a participant's page.

    Attributes:
        test_id, form: written into every answer.
        design, scale: of the questions.
        items: in the order of presentation.
        sounds: data URIs.
        calibration: position of the noise for setting the volume.
        seconds: of audio in all items, for the estimated duration.
    """

    test_id: str
    form: str
    design: Design
    scale: int
    items: Sequence[PageItem]
    sounds: Sequence[str]
    calibration: int
    seconds: float


def render_form(page: FormPage) -> str:
    """The page as HTML."""
    environment = page_environment(Path(__file__).parent)
    script = own_text(environment, "listening.js")
    questions = [_question(page.design, page.scale, question) for question in (OVL, REL)]
    return environment.get_template("listening.html.j2").render(
        page=page,
        questions=questions,
        minutes=form_minutes(len(page.items), page.seconds),
        data=_data(page, questions),
        css=own_text(environment, "listening.css"),
        variables=Markup(css_variables()),  # noqa: S704 - the palette
        script=script,
        policy=policy(script),
    )


def _data(page: FormPage, questions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page's script reads."""
    return {
        "test": page.test_id,
        "form": page.form,
        "design": page.design,
        "scale": page.scale,
        "questions": list(questions),
        "choices": _choices(page.design, page.scale),
        "items": [{"id": i.item, "caption": i.caption, "sounds": list(i.sounds)} for i in page.items],
        "sounds": list(page.sounds),
        "calibration": page.calibration,
    }


def form_minutes(n_items: int, seconds: float) -> int:
    """Estimated duration in minutes of a form with so many items and seconds of audio."""
    return math.ceil((seconds + ANSWER_SECONDS * n_items) / 60)


def _question(design: Design, scale: int, question: str) -> dict[str, Any]:
    text, explanation = _HELP[design][question]
    if design == "pairs":
        labels: tuple[str, ...] = ("", "No difference", "")
    else:
        labels = _LABELS[question] if scale == len(_LABELS[question]) else (_LABELS[question][0], _LABELS[question][-1])
    return {"id": question, "text": text, "help": explanation, "labels": list(labels)}


def _choices(design: Design, scale: int) -> list[dict[str, str]] | None:
    """The answers to choose from, or None for a slider."""
    if design == "pairs":
        return [{"value": v, "show": s} for v, s in ((FIRST, "A"), (NEITHER, "="), (SECOND, "B"))]
    if scale == len(_LABELS[OVL]):
        return [{"value": str(v), "show": str(v)} for v in range(1, scale + 1)]
    return None
