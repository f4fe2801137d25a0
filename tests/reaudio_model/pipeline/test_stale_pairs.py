"""Retrieved pairs whose audio is not the one that the index has embedded, and odd files in the place of clips."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_model import tiny_pairs

from reaudio_model.common.audio import content_sha256
from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.pipeline.generation import generate_to_files
from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline
from reaudio_model.pipeline.request import GenerateRequest
from reaudio_model.retrieval.embedding import clap_embedders
from reaudio_model.retrieval.index import RetrievalIndex
from reaudio_model.retrieval.index_build import build_index
from reaudio_model.retrieval.index_search import free_prompts
from reaudio_model.retrieval.pairs import PairTable


def request(folder: Path, **changes: object) -> GenerateRequest:
    made = GenerateRequest(free_prompts(["rain", "wind"]), folder / "out", index=folder / "index", steps=1, seconds=0.2)
    return replace(made, **changes)  # type: ignore[arg-type]


def exchange(one: Path, other: Path) -> None:
    """Same names, sizes and times, other sounds."""
    times = one.stat()
    first, second = one.read_bytes(), other.read_bytes()
    for path, content in ((one, second), (other, first)):
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_audio_exchanged_or_moved_after_the_index_was_built(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    table = PairTable(tiny_pairs(tmp_path / "audio", n=2), [])
    embedders = clap_embedders(pipeline.conditioner.clap)
    build_index(table, embedders, tmp_path / "index")
    assert generate_to_files(request(tmp_path), pipeline).made == 2
    exchange(tmp_path / "audio" / "clip-0.wav", tmp_path / "audio" / "clip-1.wav")
    with pytest.raises(
        ReaudioError, match=r"clip 'clip-\d' was changed since the index .* repeat `reaudio-model index build`"
    ):
        generate_to_files(request(tmp_path, overwrite=True), pipeline)
    build_index(table, embedders, tmp_path / "index")  # the remedy
    assert generate_to_files(request(tmp_path, overwrite=True), pipeline).made == 2
    moved = tmp_path / "audio-of-now"
    (tmp_path / "audio").rename(moved)
    with pytest.raises(ReaudioError, match=r"clip 'clip-\d' of the index .* is not at .*--audio-root"):
        generate_to_files(request(tmp_path), pipeline)
    pairs = [pair._replace(audio=moved / f"{pair.clip_id}.wav") for pair in table.pairs]
    build_index(PairTable(pairs, []), embedders, tmp_path / "index")  # the remedy
    assert generate_to_files(request(tmp_path), pipeline).made == 0


def test_an_index_keeps_the_digests_of_its_audio(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    pairs = tiny_pairs(tmp_path / "audio", n=2)
    build_index(PairTable(pairs, []), clap_embedders(pipeline.conditioner.clap), tmp_path / "index")
    found = RetrievalIndex.load(tmp_path / "index")
    assert found.sha256 == {pair.clip_id: content_sha256(pair.audio) for pair in pairs if pair.audio is not None}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_in_the_place_of_a_clip_is_not_waited_for(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    asked = request(tmp_path, index=None, k=0)
    clip = generate_to_files(asked, pipeline).files[0]
    clip.unlink()
    os.mkfifo(clip)
    with pytest.raises(ReaudioError, match=r"prompt-1\.wav is no ordinary file: remove it"):
        generate_to_files(asked, pipeline)
    with pytest.raises(AudioError, match="cannot be opened"):
        content_sha256(clip)
    clip.unlink()
    clip.mkdir()
    with pytest.raises(ReaudioError, match="is no ordinary file"):
        generate_to_files(asked, pipeline)
    shutil.rmtree(clip)
    assert generate_to_files(asked, pipeline).made == 1
