"""What a system retrieved: read from where a model wrote it, kept in the run directory, and whose neighbours a clip is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from reaudio_eval.clips.system import Retrieval, SystemInfo
from reaudio_eval.prompts.dataset import Prompt
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, canonical_sha256, json_bytes
from reaudio_model.records import Neighbour, Pair
from reaudio_model.retrieval.index_files import load_neighbours, save_neighbours
from reaudio_model.retrieval.leakage import LeakReport, leak_report

RETRIEVED, LEAKAGE = "retrieved.parquet", "leakage.json"
ASKED = "leak_report.json"  # beside the table that ``reaudio-model`` writes
QUESTION = ("key", "pool", "exclude")


class Compared(NamedTuple):
    """Whose neighbours a system's clips are compared with. of: a system's name; neighbours: clip_id -> nearest first."""

    of: str
    neighbours: Mapping[str, Sequence[Neighbour]]


def compared(systems: Sequence[SystemInfo], control: Compared | None = None) -> dict[str, Compared]:
    """System name -> the neighbours its clips are compared with: its own where it retrieves, else those of :func:`control_of`."""
    own = {s.name: Compared(s.name, s.retrieval.neighbours) for s in systems if s.retrieval is not None}
    shared = control_of(systems, control)
    return {} if shared is None else {s.name: own.get(s.name, shared) for s in systems}


def control_of(systems: Sequence[SystemInfo], otherwise: Compared | None = None) -> Compared | None:
    """What a system that retrieves nothing (the twin without retrieval, the real audio) is compared with, so that it is the control of
    those that do: the neighbours of the system that uses most for a prompt, the first by name of several, whatever their order.

    Args:
        systems: of the report.
        otherwise: the answer where none of them retrieves.
    """
    found = [(-s.retrieval.k, s.name, s.retrieval) for s in systems if s.retrieval is not None]
    if not found:
        return otherwise
    _, name, retrieval = min(found, key=lambda each: each[:2])
    return Compared(name, retrieval.neighbours)


def neighbours_sha256(found: Compared, clip_ids: Sequence[str]) -> str:
    """SHA-256 (hex) of which clips these prompts' neighbours are: the same pool and rule give the same."""
    return canonical_sha256({c: [n.pair.clip_id for n in found.neighbours.get(c, ())] for c in sorted(clip_ids)})


def retrieval_sha256(retrieval: Retrieval, clip_ids: Sequence[str]) -> str:
    """SHA-256 (hex) of all that a run keeps of these prompts' retrieval."""
    rows = [
        [c, [[n.rank, n.similarity, *n.pair._replace(audio=None)] for n in retrieval.neighbours.get(c, ())]]
        for c in sorted(clip_ids)
    ]
    return canonical_sha256([rows, retrieval_json(retrieval)])


def leaks(retrieval: Retrieval, prompts: Sequence[Prompt]) -> LeakReport:
    """How far the answer was among the neighbours that were used."""
    pairs = [Pair(p.clip_id, p.caption, None, p.source_id) for p in prompts]
    return leak_report(pairs, [retrieval.neighbours.get(p.clip_id, ()) for p in prompts], max(1, retrieval.k))


def read_retrieval(folder: Path, audio: Path | None = None) -> Retrieval:
    """``retrieved.parquet`` of a folder of clips, and how it was asked where ``leak_report.json`` says so.

    Args:
        folder: as ``reaudio-model generate`` or ``reaudio-model index search`` wrote it.
        audio: folder of ``<clip_id>.wav``, for neighbours without a file of their own; None: they have none.

    Raises:
        ReaudioError: damaged files.
    """
    neighbours, facts = load_neighbours(folder / RETRIEVED), _facts(folder / ASKED)
    question, k = facts["question"], facts["question"].get("used")
    used = {
        clip_id: tuple(_with_audio(n, audio) for n in sorted(found, key=lambda n: n.rank) if k is None or n.rank < k)
        for clip_id, found in neighbours.items()
    }
    about = {name: question[name] for name in QUESTION if name in question}
    return Retrieval(used, facts["encoder_sha256"], about)


def _facts(path: Path) -> dict[str, Any]:
    """question and encoder_sha256, empty where the file is not there."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return {"question": dict(facts.get("question", {})), "encoder_sha256": str(facts.get("encoder_sha256", ""))}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ReaudioError(f"{path} is damaged: retrieve again, or remove it.") from error


def _with_audio(neighbour: Neighbour, audio: Path | None) -> Neighbour:
    if neighbour.pair.audio is not None or audio is None:
        return neighbour
    return neighbour._replace(pair=neighbour.pair._replace(audio=audio / f"{neighbour.pair.clip_id}.wav"))


def write_retrieval(folder: Path, retrieval: Retrieval, prompts: Sequence[Prompt]) -> None:
    """``retrieved.parquet`` (see ``index_files.save_neighbours``) and ``leakage.json`` into a run directory.

    Raises:
        ReaudioError: not writable.
    """
    resolved = {p.clip_id: [_resolved(n) for n in retrieval.neighbours.get(p.clip_id, ())] for p in prompts}
    save_neighbours(folder / RETRIEVED, resolved)
    atomic_write(folder / LEAKAGE, json_bytes(leaks(retrieval, prompts).to_json()))


def _resolved(neighbour: Neighbour) -> Neighbour:
    audio = neighbour.pair.audio
    return neighbour if audio is None else neighbour._replace(pair=neighbour.pair._replace(audio=audio.resolve()))


def retrieval_json(retrieval: Retrieval) -> dict[str, Any]:
    """What a manifest says of a retrieval."""
    return {
        "k": retrieval.k,
        **retrieval.about,
        "encoder_sha256": retrieval.encoder_sha256 or None,
        "judges": list(retrieval.judges),
    }


def read_run_retrieval(folder: Path, about: Mapping[str, Any] | None) -> Retrieval | None:
    """What :func:`write_retrieval` kept; None where the run kept nothing.

    Args:
        folder: run directory.
        about: of its manifest (:func:`retrieval_json`).

    Raises:
        ReaudioError: a damaged table, or a manifest that promises one that is not there.
    """
    if about is None:
        return None
    neighbours = {clip_id: tuple(found) for clip_id, found in load_neighbours(folder / RETRIEVED).items()}
    asked = {name: value for name, value in about.items() if name not in ("k", "encoder_sha256", "judges")}
    return Retrieval(neighbours, about["encoder_sha256"] or "", asked, tuple(about["judges"]))


def with_judges(systems: Sequence[SystemInfo], networks: Mapping[str, str]) -> list[SystemInfo]:
    """The systems, each knowing which embedders are the network that it retrieves with.

    Args:
        systems: any.
        networks: embedder name -> identity of its network, as an index names it (``Clap.sha256``), or "" where it has none.
    """
    return [s if s.retrieval is None else replace(s, retrieval=_judged(s.retrieval, networks)) for s in systems]


def _judged(retrieval: Retrieval, networks: Mapping[str, str]) -> Retrieval:
    same = (name for name, sha in networks.items() if sha and sha == retrieval.encoder_sha256)
    return replace(retrieval, judges=tuple(sorted(same)))
