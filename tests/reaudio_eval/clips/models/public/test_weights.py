"""Where published weights are looked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from reaudio_eval import plugins
from reaudio_eval.clips.models.public.system import Also
from reaudio_eval.clips.models.public.weights import REVISIONS, find_weights
from reaudio_model.common.errors import CheckpointError, ReaudioError

PUBLISHED = plugins.load("models", "audioldm2").published("")
Asked = list[dict[str, Any]]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """A hub with one repository at revision abc; what was asked of it."""
    asked: Asked = []

    def snapshot(hub_id: str, **options: Any) -> str:
        asked.append({"hub_id": hub_id, **options})
        folder = tmp_path / "hub" / hub_id.replace("/", "--") / (options["revision"] or "abc")
        if hub_id == "nobody/nothing" or (options["local_files_only"] and not folder.is_dir()):
            raise huggingface_hub.errors.LocalEntryNotFoundError("It is not there.\nMore.")
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return asked


def find(cache: Path, given: Path | None = None, allow_download: bool = False) -> Path:
    return find_weights("audioldm2", given, PUBLISHED, cache_dir=cache, allow_download=allow_download)


def test_a_given_path_is_taken_as_it_is(tmp_path: Path, hub: Asked) -> None:
    assert find(tmp_path, tmp_path) == tmp_path
    assert hub == []


def test_without_any_the_message_names_both_ways_the_size_and_the_licence(tmp_path: Path, hub: Asked) -> None:
    with pytest.raises(CheckpointError) as found:
        find(tmp_path / "cache")
    assert str(found.value) == (
        "The weights of audioldm2 are not on this machine: give --weights audioldm2=PATH (a diffusers folder such as cvssp/audioldm2), "
        "or --allow-download to fetch cvssp/audioldm2 from the Hugging Face hub (4.5 GB, CC BY-NC-SA 4.0)."
    )
    assert hub[0]["local_files_only"]


def test_the_first_revision_is_kept(tmp_path: Path, hub: Asked) -> None:
    cache = tmp_path / "cache"
    assert find(cache, allow_download=True).name == "abc"
    assert json.loads((cache / REVISIONS).read_text()) == {"cvssp/audioldm2": "abc"}
    find(cache, allow_download=True)
    assert [each["revision"] for each in hub] == [None, "abc"]
    assert hub[0]["allow_patterns"] == list(PUBLISHED.files)


def test_a_repository_and_its_revision_may_be_given(tmp_path: Path, hub: Asked) -> None:
    found = find(tmp_path / "cache", Path("me/my-audioldm2@v2"), allow_download=True)
    assert (hub[0]["hub_id"], hub[0]["revision"], found.name) == ("me/my-audioldm2", "v2", "v2")
    assert not (tmp_path / "cache" / REVISIONS).exists(), "the user keeps it himself"


def test_other_repositories_that_are_needed_are_fetched_too(tmp_path: Path, hub: Asked) -> None:
    published = plugins.load("models", "audiogen-medium").published("medium")
    find_weights("audiogen-medium", tmp_path, published, cache_dir=tmp_path / "cache", allow_download=True)
    assert [each["hub_id"] for each in hub] == ["google-t5/t5-large"]
    (tmp_path / "t5").mkdir()
    find_weights("audiogen-medium", tmp_path, published, cache_dir=tmp_path / "cache", allow_download=True)
    assert len(hub) == 1, "the folder has it"


def test_one_of_them_that_cannot_be_fetched_is_an_error(tmp_path: Path, hub: Asked) -> None:
    published = replace(PUBLISHED, also=(Also("nobody/nothing", ("*",), "t5"),))
    with pytest.raises(CheckpointError, match="cannot be downloaded from nobody/nothing"):
        find_weights("audiogen-medium", tmp_path, published, cache_dir=tmp_path / "cache", allow_download=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("folder/of/mine", "there is no such file or folder; give a diffusers folder"),
        ("nobody/nothing", r"cannot be downloaded from nobody/nothing on the Hugging Face hub \(It is not there\)"),
    ],
)
def test_what_is_not_there(given: str, message: str, tmp_path: Path, hub: Asked) -> None:
    with pytest.raises(CheckpointError, match=message):
        find(tmp_path / "cache", Path(given), allow_download=True)


def test_a_damaged_list_of_revisions(tmp_path: Path, hub: Asked) -> None:
    (tmp_path / REVISIONS).write_text("{")
    with pytest.raises(ReaudioError, match="revisions of hub repositories"):
        find(tmp_path, allow_download=True)


def every_public() -> list[tuple[str, str]]:
    names = ("audioldm-s", "audioldm-m", "audioldm-l", "tango", "tango2", "audioldm2", "audioldm2-large", "audioldm2-rag")
    return [(n, plugins.find("models", n).variant) for n in (*names, "audiogen-medium", "stable-audio-open")]


@pytest.mark.parametrize(("name", "variant"), every_public())
def test_licence_training_data_and_default_sampling_are_declared(name: str, variant: str) -> None:
    plugin = plugins.load("models", name)
    published, own = plugin.published(variant), plugin.own(variant)
    assert plugin.name(variant) == name
    assert published.licence
    assert published.training_data
    assert "arXiv" in published.source
    assert published.gigabytes > 1
    assert own.guidance > 1
    assert own.seconds >= 10
    assert (plugin.training_data(variant) is None) == (
        name == "stable-audio-open"
    )  # whose corpora have no labels of AudioSet
