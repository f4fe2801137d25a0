"""From a table to an index on disk: strictness, and a kill on the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from reaudio_model.common.errors import AudioError, ReaudioError
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
