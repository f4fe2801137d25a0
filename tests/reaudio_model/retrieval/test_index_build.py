"""From a table to an index on disk: strictness, and a kill on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.common.progress import Reporter
from reaudio_model.retrieval.embedding import Embedders
from reaudio_model.retrieval.index import RetrievalIndex
from reaudio_model.retrieval.index_build import build_index, index_stats, stats_text
from reaudio_model.retrieval.pairs import PairTable
from reaudio_model.retrieval.records import Pair


def vectors(texts: Sequence[str]) -> np.ndarray:
    return np.array([[np.cos(len(text)), np.sin(len(text))] for text in texts], dtype=np.float32)


def audio(paths: Sequence[Path]) -> np.ndarray:
    for path in paths:
        if path.read_text() == "broken":
            raise AudioError(f"{path} cannot be decoded.")
        if path.read_text() == "ctrl-c":
            raise KeyboardInterrupt
    return vectors([path.read_text() for path in paths])


EMBEDDERS = Embedders(audio, vectors, "sha")


def table(folder: Path, *contents: str) -> PairTable:
    pairs = []
    for i, content in enumerate(contents):
        path = folder / f"{i}.wav"
        path.write_text(content)
        pairs.append(Pair(f"c{i}", "a Dog." if i % 2 else "a dog", path, f"v{i // 2}"))
    return PairTable(pairs, ["gone"])


def test_what_is_left_out_is_written_down(tmp_path: Path) -> None:
    built = build_index(table(tmp_path, "a", "broken", "bbb"), EMBEDDERS, tmp_path / "index")
    loaded = RetrievalIndex.load(tmp_path / "index")
    assert loaded.left_out == built.left_out == ("gone", "c1")
    stats = index_stats(loaded)
    assert (stats["n"], stats["n_captions"], stats["n_shared_captions"], stats["n_sources"]) == (2, 1, 2, 2)
    assert stats["mean_cosine"] == pytest.approx(np.mean([np.cos(5 - 1), np.cos(5 - 3)]), abs=1e-6)
    assert "2 pairs (unknown split 2), 2 dimensions, CLAP sha" in stats_text(stats)


def test_strict(tmp_path: Path) -> None:
    content = table(tmp_path, "a", "broken")
    with pytest.raises(ReaudioError, match=r"The audio of 1 clips is missing or cannot be read \(gone\)"):
        build_index(content, EMBEDDERS, tmp_path / "index", strict=True)
    with pytest.raises(ReaudioError, match=r"1 clips .* \(c1\): repair it, or leave out --strict"):
        build_index(content._replace(missing=[]), EMBEDDERS, tmp_path / "index", strict=True)
    assert not (tmp_path / "index" / "manifest.json").exists()


def test_the_same_command_after_a_kill_gives_the_same_bytes(tmp_path: Path) -> None:
    killed = table(tmp_path, "a", "bb", "ctrl-c")
    with pytest.raises(KeyboardInterrupt):
        build_index(killed, EMBEDDERS, tmp_path / "index", batch_size=1)
    assert len(list((tmp_path / "index" / ".parts").iterdir())) == 2
    with pytest.raises(ReaudioError, match="contains no retrieval index"):
        RetrievalIndex.load(tmp_path / "index")
    (tmp_path / "2.wav").write_text("ccc")
    build_index(killed, EMBEDDERS, tmp_path / "index", batch_size=1)
    build_index(killed, EMBEDDERS, tmp_path / "fresh", batch_size=1)
    names = ["embeddings.safetensors", "manifest.json", "pairs.parquet"]
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == names
    for name in names:
        assert (tmp_path / "index" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


def build(
    pairs: PairTable, folder: Path, embedders: Embedders = EMBEDDERS, **options: Any
) -> tuple[RetrievalIndex, list[str]]:
    """An index and the notes of its building."""
    notes: list[str] = []
    progress = Reporter(quiet=True)
    progress.note = notes.append  # type: ignore[method-assign]
    return build_index(pairs, embedders, folder, progress=progress, **options), notes


def test_a_finished_index_is_verified_and_kept(tmp_path: Path) -> None:
    content, folder = table(tmp_path, "a", "bb"), tmp_path / "index"
    build_index(content, EMBEDDERS, folder)
    before = (folder / "manifest.json").stat().st_mtime_ns
    index, notes = build(content, folder)
    assert notes == [f"The index {folder} is already built, and verified: 2 pairs of the same clips, captions and CLAP"]
    assert (folder / "manifest.json").stat().st_mtime_ns == before
    assert index.inputs == RetrievalIndex.load(folder).inputs
    assert build(content, folder, overwrite=True)[1] == []


def test_an_index_of_other_content_is_built_again_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, folder = table(tmp_path, "a", "bb"), tmp_path / "index"
    first = build_index(content, EMBEDDERS, folder)

    def reason(pairs: PairTable, embedders: Embedders = EMBEDDERS) -> str:
        index, (note,) = build(pairs, folder, embedders)
        fresh = build_index(pairs, embedders, tmp_path / "fresh", overwrite=True)
        assert index.audio.tobytes() == fresh.audio.tobytes()
        assert index.text.tobytes() == fresh.text.tobytes()
        return note.removeprefix(f"The index {folder} is built again: ")

    (tmp_path / "1.wav").write_text("other sound")  # the same id, name and caption
    assert reason(content) == "audio differ"
    assert build_index(content, EMBEDDERS, folder).audio[1].tolist() != first.audio[1].tolist()
    captioned = content._replace(pairs=[pair._replace(caption=f"{pair.caption}!") for pair in content.pairs])
    assert reason(captioned) == "clips or captions differ"
    assert reason(captioned._replace(pairs=captioned.pairs[:1])) == "clips or captions, audio differ"
    assert reason(captioned._replace(pairs=captioned.pairs[:1], missing=[])) == "missing clips differ"
    assert reason(content, EMBEDDERS._replace(sha256="2")) == "clips or captions, audio, missing clips, CLAP differ"
    monkeypatch.setattr("reaudio_model.retrieval.index_build.computation_sha256", lambda *_modules: "edited")
    assert reason(content, EMBEDDERS._replace(sha256="2")) == "code or packages differ"


def test_damaged_and_earlier_indexes_are_built_again(tmp_path: Path) -> None:
    content, folder = table(tmp_path, "a", "bb"), tmp_path / "index"
    build_index(content, EMBEDDERS, folder)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in ("embeddings.safetensors", "pairs.parquet", "manifest.json"):
        damaged = bytearray(whole[name])
        damaged[len(damaged) // 2] ^= 1
        (folder / name).write_bytes(damaged)
        notes = build(content, folder)[1]
        assert len(notes) == 1
        assert re.search(r"again[.:]", notes[0])
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    manifest = {k: v for k, v in json.loads(whole["manifest.json"]).items() if k not in ("sha256", "inputs")}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert RetrievalIndex.load(folder).inputs == {}
    assert build(content, folder)[1][0].endswith("built again: an earlier version did not record its clips")


def test_moved_audio_is_found_again_without_embedding(tmp_path: Path) -> None:
    content, folder = table(tmp_path, "a", "bb"), tmp_path / "index"
    build_index(content, EMBEDDERS, folder)
    (tmp_path / "moved").mkdir()
    moved = [
        pair._replace(audio=pair.audio.rename(tmp_path / "moved" / pair.audio.name)) for pair in content.pairs if pair.audio
    ]

    def refuse(paths: Sequence[Path]) -> np.ndarray:
        raise AssertionError("embedded again")

    build_index(content._replace(pairs=moved), EMBEDDERS._replace(audio=refuse), folder)
    assert [pair.audio for pair in RetrievalIndex.load(folder).pairs] == [pair.audio for pair in moved]


def test_a_file_that_is_replaced_meanwhile(tmp_path: Path) -> None:
    content = table(tmp_path, "a", "bb")

    def replace(paths: Sequence[Path]) -> np.ndarray:
        found = audio(paths)
        paths[1].write_text("other")
        return found

    with pytest.raises(ReaudioError, match=r"1\.wav was changed while it was embedded: repeat the command"):
        build_index(content, EMBEDDERS._replace(audio=replace), tmp_path / "index")
    build_index(content, EMBEDDERS, tmp_path / "index")
