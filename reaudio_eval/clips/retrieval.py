"""Retrieval of a system: files, comparisons and leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from reaudio_eval.clips.system import Retrieval, SystemInfo
from reaudio_eval.prompts.dataset import Prompt
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, canonical_sha256, json_bytes
from reaudio_model.common.json_files import read_json_object
from reaudio_model.retrieval.index_files import load_neighbours, save_neighbours
from reaudio_model.retrieval.leakage import LeakReport, leak_report
from reaudio_model.retrieval.records import Neighbour, Pair

RETRIEVED, LEAKAGE = "retrieved.parquet", "leakage.json"
QUERY = "leak_report.json"  # ``reaudio-model`` writes it next to the table
QUESTION = ("key", "pool", "exclude")


class Compared(NamedTuple):
    """The retrieved clips that a system's clips are compared with. system: that retrieved them; neighbours: clip_id -> nearest first."""

    system: str
    neighbours: Mapping[str, Sequence[Neighbour]]


def compared(systems: Sequence[SystemInfo], control: Compared | None = None) -> dict[str, Compared]:
    """System name -> the neighbours its clips are compared with: its own where it retrieves, else those of :func:`control_of`."""
    retrieved = {s.name: Compared(s.name, s.retrieval.neighbours) for s in systems if s.retrieval is not None}
    shared = control_of(systems, control)
    return {} if shared is None else {s.name: retrieved.get(s.name, shared) for s in systems}


def control_of(systems: Sequence[SystemInfo], otherwise: Compared | None = None) -> Compared | None:
    """The neighbours that systems without retrieval (the no-retrieval control, the real audio) are compared with.

    They are those of the system that uses most for a prompt; of several such systems the first by name.

    Args:
        systems: of the report.
        otherwise: the return value where none of them retrieves.
    """
    candidates = [(-s.retrieval.k, s.name, s.retrieval) for s in systems if s.retrieval is not None]
    if not candidates:
        return otherwise
    _, name, retrieval = min(candidates, key=lambda each: each[:2])
    return Compared(name, retrieval.neighbours)


def neighbours_sha256(compared_with: Compared, clip_ids: Sequence[str]) -> str:
    """SHA-256 (hex) of the clip ids of these prompts' neighbours; equal for the same pool and rule."""
    return canonical_sha256({c: [n.pair.clip_id for n in compared_with.neighbours.get(c, ())] for c in sorted(clip_ids)})


def retrieval_sha256(retrieval: Retrieval, clip_ids: Sequence[str]) -> str:
    """SHA-256 (hex) of everything that a run stores of these prompts' retrieval."""
    rows = [
        [c, [[n.rank, n.similarity, *n.pair._replace(audio=None)] for n in retrieval.neighbours.get(c, ())]]
        for c in sorted(clip_ids)
    ]
    return canonical_sha256([rows, retrieval_json(retrieval)])


def leaks(retrieval: Retrieval, prompts: Sequence[Prompt]) -> LeakReport:
    """How often the target clip was among the neighbours that were used."""
    pairs = [Pair(p.clip_id, p.caption, None, p.source_id) for p in prompts]
    return leak_report(pairs, [retrieval.neighbours.get(p.clip_id, ()) for p in prompts], max(1, retrieval.k))


def read_retrieval(folder: Path, audio: Path | None = None) -> Retrieval:
    """``retrieved.parquet`` of a folder of clips, with its settings where there is a ``leak_report.json``.

    Args:
        folder: as ``reaudio-model generate`` or ``reaudio-model index search`` wrote it.
        audio: folder of ``<clip_id>.wav``, for neighbours without a file of their own; None: they have none.

    Raises:
        ReaudioError: damaged files.
    """
    neighbours, facts = load_neighbours(folder / RETRIEVED), _facts(folder / QUERY)
    if not all(isinstance(n.rank, int) and isinstance(n.similarity, float) for found in neighbours.values() for n in found):
        raise ReaudioError(f"{folder / RETRIEVED} lacks a rank or a similarity: retrieve again, or remove it.")
    question, k = facts["question"], facts["question"].get("used")
    used = {
        clip_id: tuple(_with_audio(n, audio) for n in sorted(found, key=lambda n: n.rank) if k is None or n.rank < k)
        for clip_id, found in neighbours.items()
    }
    about = {name: question[name] for name in QUESTION if name in question}
    return Retrieval(used, facts["encoder_sha256"], about)


def _facts(path: Path) -> dict[str, Any]:
    """question and encoder_sha256, empty where the file is not there."""
    if not path.is_file():
        return {"question": {}, "encoder_sha256": ""}
    remedy = "retrieve again, or remove it"
    facts = read_json_object(path, "how the pairs beside it were retrieved", remedy=remedy)
    question, encoder = facts.get("question", {}), facts.get("encoder_sha256") or ""
    used = question.get("used") if isinstance(question, dict) else ""
    if not isinstance(encoder, str) or not isinstance(used, int | None):
        raise ReaudioError(f"{path} is damaged: {remedy}.")
    return {"question": question, "encoder_sha256": encoder}


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
    """The entry of a retrieval in a manifest."""
    return {
        "k": retrieval.k,
        **retrieval.about,
        "encoder_sha256": retrieval.encoder_sha256 or None,
        "judges": list(retrieval.judges),
    }


def read_run_retrieval(folder: Path, about: Mapping[str, Any] | None) -> Retrieval | None:
    """The retrieval that :func:`write_retrieval` stored; None where the run has none.

    Args:
        folder: run directory.
        about: of its manifest (:func:`retrieval_json`).

    Raises:
        ReaudioError: a damaged table, or one that is missing although the manifest names it.
    """
    if about is None:
        return None
    neighbours = {clip_id: tuple(found) for clip_id, found in load_neighbours(folder / RETRIEVED).items()}
    settings = {name: value for name, value in about.items() if name not in ("k", "encoder_sha256", "judges")}
    return Retrieval(neighbours, about["encoder_sha256"] or "", settings, tuple(about["judges"]))


def with_judges(systems: Sequence[SystemInfo], networks: Mapping[str, str]) -> list[SystemInfo]:
    """The systems, with the embedders that are the network each retrieves with (``Retrieval.judges``).

    Args:
        systems: any.
        networks: embedder name -> identity of its network, as an index names it (``Clap.sha256``), or "" where it has none.
    """
    return [s if s.retrieval is None else replace(s, retrieval=_judged(s.retrieval, networks)) for s in systems]


def _judged(retrieval: Retrieval, networks: Mapping[str, str]) -> Retrieval:
    same = (name for name, sha in networks.items() if sha and sha == retrieval.encoder_sha256)
    return replace(retrieval, judges=tuple(sorted(same)))
