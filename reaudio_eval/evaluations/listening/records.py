"""Core data types of a listening test."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reaudio_eval.clips.system import SystemKind
from reaudio_eval.evaluations.listening.request import AudioFormat, Design
from reaudio_eval.scores.binding import stored_metrics
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256, json_bytes
from reaudio_model.common.json_files import read_json_object
from reaudio_model.common.settings import from_mapping

KEY_SCHEMA = 2  # 1: without a digest
READ_SCHEMAS = (1, 2)
SEAL = "sha256"  # of the other entries
REMEDY = "restore it; the answers cannot be read without it"
KEY_NAME = "key.json"
FORMS_FOLDER = "forms"
REAL = "real"  # the hidden anchor's name

ItemKind = Literal["rating", "repeat", "noise", "mismatch"]

OVL, REL = "OVL", "REL"
QUESTIONS: Mapping[str, str] = {OVL: "overall quality", REL: "relevance to the text"}
FIRST, SECOND, NEITHER = "A", "B", "="  # answers of a pair


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound: ``system``'s clip of the prompt ``clip_id``; system None is the noise of an attention check."""

    system: str | None
    clip_id: str


@dataclass(frozen=True, slots=True)
class Item:
    """One question page of a form.

    Attributes:
        item: random id, unique in the test; the form shows nothing else.
        kind: "rating", "repeat" (of the item ``repeats``), or an attention check: "noise", "mismatch" (a clip of another prompt).
        prompt: clip id of the prompt whose caption is shown.
        clips: one clip, or the clips A and B of a pair.
        repeats: item id of the first presentation, or None.
    """

    item: str
    kind: ItemKind
    prompt: str
    clips: tuple[Clip, ...]
    repeats: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """One participant page, with its items in order."""

    form: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class TestSystem:
    """A system that is rated: "generated", or "real" for the hidden anchor."""

    __test__ = False  # its name looks like a test to pytest

    name: str
    kind: SystemKind
    description: str = ""


@dataclass(frozen=True, slots=True)
class TestPrompt:
    """A prompt of the test; ``stratum`` is that of its rarest label, or "" when its labels are not known."""

    __test__ = False

    clip_id: str
    caption: str
    stratum: str


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's value of a clip (``clip_id`` None: of the system's whole set)."""

    system: str
    metric: str
    clip_id: str | None
    value: float


@dataclass(frozen=True)
class Key:
    """Everything about a test; hidden from participants.

    Attributes:
        test_id: hash of the contents of the test; in every form and every answer.
        design: "mos" (absolute ratings) or "pairs" (preferences).
        scale: 5 or 100, the highest rating; ratings start at 1.
        seed: of the choice of prompts, the assignment and the orders.
        audio: how clips are embedded.
        normalised: whether clips were brought to one RMS level.
        dataset: name, split and list hash of the runs.
        systems, prompts: rated; every system has a clip of every prompt.
        strata: names from frequent to rare, those with prompts only.
        forms: participant pages.
        metrics, scores: of these clips, from the runs.
        notes: sentences about what was left out or limits the test.
        titles: stratum -> title; empty in keys of earlier versions.
    """

    test_id: str
    design: Design
    scale: int
    seed: int
    audio: AudioFormat
    normalised: bool
    dataset: Mapping[str, str]
    systems: tuple[TestSystem, ...]
    prompts: tuple[TestPrompt, ...]
    strata: tuple[str, ...]
    forms: tuple[Form, ...]
    metrics: tuple[MetricInfo, ...] = ()
    scores: tuple[Score, ...] = ()
    notes: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)

    def title(self, stratum: str) -> str:
        """Of a stratum, for readers."""
        return self.titles.get(stratum, stratum)

    def to_json(self) -> bytes:
        """UTF-8 JSON with the schema version first and the digest of the content last."""
        content = {"schema": KEY_SCHEMA} | dataclasses.asdict(self)
        return json_bytes(content | {SEAL: canonical_sha256(content)})


def read_key(folder: Path) -> Key:
    """The key of an exported test.

    Raises:
        ReaudioError: no key there, damaged, altered, or of another schema version.
    """
    path = folder / KEY_NAME
    if not path.is_file():
        raise ReaudioError(
            f"There is no {KEY_NAME} in {folder}: name the folder that `reaudio-eval listening export` wrote to."
        )
    content = read_json_object(path, "the key of a listening test", remedy=REMEDY)
    schema = content.pop("schema", None)
    if schema not in READ_SCHEMAS or isinstance(schema, bool):
        raise ReaudioError(
            f"{path} has schema version {schema!r}; this version reads {KEY_SCHEMA} and older: analyse it with the version that made it."
        )
    seal = content.pop(SEAL, None)
    if schema == KEY_SCHEMA and seal != canonical_sha256({"schema": schema} | content):
        raise ReaudioError(f"{path} was altered: {REMEDY}.")
    try:
        return _key(content)
    except (ReaudioError, TypeError, ValueError) as error:
        raise ReaudioError(f"{path} is damaged ({str(error).rstrip('.')}): {REMEDY}.") from error


def _key(content: dict[str, Any]) -> Key:
    metrics = content.get("metrics", [])
    if not isinstance(metrics, list):
        raise ReaudioError("metrics is no list")
    return dataclasses.replace(from_mapping(Key, content | {"metrics": []}, KEY_NAME), metrics=stored_metrics(metrics))
