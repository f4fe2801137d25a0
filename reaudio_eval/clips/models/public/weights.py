"""Finding published weights: given, in the hub's cache, or downloaded."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from reaudio_eval.clips.models.public.system import Published
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.files import atomic_write, folder_lock, json_bytes, make_folder
from reaudio_model.common.json_files import read_json_object

_HUB_ID = re.compile(r"(?P<id>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w.-]+))?")
REVISIONS = "hub-revisions.json"  # in the cache: hub id -> the revision that was first used


def find_weights(name: str, given: Path | None, published: Published, *, cache_dir: Path, allow_download: bool) -> Path:
    """The weights of a system: a file or folder that is there, or the local copy of a hub repository.

    The revision of a repository that is used first is kept in the cache and used from then on.

    Args:
        name: of the model, for messages.
        given: ``--weights NAME=...``: a path, or ``ORGANISATION/REPOSITORY`` with perhaps ``@REVISION``; None for the published ones.
        published: where these are.
        cache_dir: folder that belongs to this package.
        allow_download: whether the network may be used.

    Raises:
        CheckpointError: there are none; the message says how to get them.
        ReaudioError: the cache cannot be written.
    """
    if allow_download:
        _fetch_also(name, given, published)
    if given is not None and given.exists():
        return given
    asked = _HUB_ID.fullmatch(published.hub_id if given is None else str(given))
    if asked is None:
        raise CheckpointError(f"--weights {name}={given}: there is no such file or folder; give {published.layout}.")
    hub_id, revision = asked["id"], asked["revision"] or _pinned(cache_dir, asked["id"])
    folder = _snapshot(name, hub_id, revision, published, allow_download)
    if revision is None:
        _pin(cache_dir, hub_id, folder.name)
    return folder


def _fetch_also(name: str, given: Path | None, published: Published) -> None:
    """Download what a system needs besides, where the user's folder does not have it."""
    folder = None if given is None or not given.exists() else given if given.is_dir() else given.parent
    for also in published.also:
        if folder is None or not also.inside or not (folder / also.inside).exists():
            _snapshot(name, also.hub_id, None, replace(published, files=also.files), True)


def is_on_hub(given: Path | None) -> bool:
    """Whether the weights of a request are those of a repository: the published ones, or one that the user names."""
    return given is None or (not given.exists() and _HUB_ID.fullmatch(str(given)) is not None)


def _snapshot(name: str, hub_id: str, revision: str | None, published: Published, allow_download: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                hub_id, revision=revision, allow_patterns=list(published.files), local_files_only=not allow_download
            )
        )
    except (OSError, ValueError) as error:  # every error of the hub's client is an OSError; a malformed id a ValueError
        at = f" at revision {revision}" if revision else ""
        if allow_download:
            raise CheckpointError(
                f"The weights of {name} cannot be downloaded from {hub_id}{at} on the Hugging Face hub ({_first_line(error)}): check the "
                f"network, or fetch them on another machine and give --weights {name}=FOLDER."
            ) from error
        raise CheckpointError(
            f"The weights of {name} are not on this machine: give --weights {name}=PATH ({published.layout}), or --allow-download to "
            f"fetch {hub_id}{at} from the Hugging Face hub ({published.gigabytes:g} GB, {published.licence})."
        ) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


def _pinned(cache_dir: Path, hub_id: str) -> str | None:
    found = _revisions(cache_dir).get(hub_id)
    return found if isinstance(found, str) else None


def _revisions(cache_dir: Path) -> dict[str, object]:
    path = cache_dir / REVISIONS
    return read_json_object(path, "the revisions of hub repositories", remedy="delete it") if path.is_file() else {}


def _pin(cache_dir: Path, hub_id: str, revision: str) -> None:
    make_folder(cache_dir)
    with folder_lock(cache_dir):
        atomic_write(cache_dir / REVISIONS, json_bytes(_revisions(cache_dir) | {hub_id: revision}))
