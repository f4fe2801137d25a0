"""A participant's page of a listening test: one self-contained HTML file that names no system."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from reaudio_eval.evaluations.listening.records import FIRST, NEITHER, OVL, REL, SECOND
from reaudio_eval.evaluations.listening.request import Design
from reaudio_eval.reports.page import own_text, page_environment, policy
from reaudio_eval.reports.palette import css_variables

ANSWER_SECONDS = 8.0  # thinking and answering, an item


class PageItem(NamedTuple):
    """item: opaque id; caption: shown; sounds: positions in the page's sounds."""

    item: str
    caption: str
    sounds: tuple[int, ...]


_HELP: Mapping[Design, Mapping[str, tuple[str, str]]] = {
    "mos": {
        OVL: ("How good does it sound?", "Sound quality and naturalness, whatever the text says."),
        REL: ("How well does it fit the text?", "Everything the text names is heard, and nothing that contradicts it."),
    },
    "pairs": {
        OVL: ("Which one sounds better?", "Sound quality and naturalness, whatever the text says."),
        REL: ("Which one fits the text better?", "Everything the text names is heard, and nothing that contradicts it."),
    },
}
_LABELS: Mapping[str, tuple[str, ...]] = {
    OVL: ("Bad", "Poor", "Fair", "Good", "Excellent"),  # the categories of ITU-T P.800
    REL: ("Not at all", "Poorly", "Partly", "Mostly", "Fully"),
}


def render_form(
    *,
    test_id: str,
    form: str,
    design: Design,
    scale: int,
    items: Sequence[PageItem],
    sounds: Sequence[str],
    calibration: int,
    seconds: float,
) -> str:
    """The page as HTML.

    Args:
        test_id, form: written into every answer.
        design, scale: what is asked.
        items: in the order they are heard.
        sounds: data URIs.
        calibration: position of the noise for setting the volume.
        seconds: of audio in all items, for the estimate of how long the form takes.
    """  # fmt: skip
    environment = page_environment(Path(__file__).parent)
    script = own_text(environment, "listening.js")
    questions = [_question(design, scale, q) for q in (OVL, REL)]
    data = {
        "test": test_id,
        "form": form,
        "design": design,
        "scale": scale,
        "questions": questions,
        "choices": _choices(design, scale),
        "items": [{"id": i.item, "caption": i.caption, "sounds": list(i.sounds)} for i in items],
        "sounds": list(sounds),
        "calibration": calibration,
    }
    return environment.get_template("listening.html.j2").render(
        form=form,
        design=design,
        scale=scale,
        questions=questions,
        n_items=len(items),
        seconds=seconds,
        minutes=form_minutes(len(items), seconds),
        data=data,
        css=own_text(environment, "listening.css"),
        variables=Markup(css_variables()),  # noqa: S704 - the palette
        script=script,
        policy=policy(script),
    )


def form_minutes(n_items: int, seconds: float) -> int:
    """About how long a form takes, from its items and the seconds of audio in them."""
    return math.ceil((seconds + ANSWER_SECONDS * n_items) / 60)


def _question(design: Design, scale: int, question: str) -> dict[str, Any]:
    text, explanation = _HELP[design][question]
    if design == "pairs":
        labels: tuple[str, ...] = ("", "No difference", "")
    else:
        labels = _LABELS[question] if scale == len(_LABELS[question]) else (_LABELS[question][0], _LABELS[question][-1])
    return {"id": question, "text": text, "help": explanation, "labels": list(labels)}


def _choices(design: Design, scale: int) -> list[dict[str, str]] | None:
    """The answers to choose from, or None where the answer is a point on a line."""
    if design == "pairs":
        return [{"value": v, "show": s} for v, s in ((FIRST, "A"), (NEITHER, "="), (SECOND, "B"))]
    if scale == len(_LABELS[OVL]):
        return [{"value": str(v), "show": str(v)} for v in range(1, scale + 1)]
    return None
