"""Embedding a set: order, files that cannot be read, resuming after a kill, and the tiny CLAP."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tiny_model import tiny_clap, tiny_pairs, tone

from reaudio_model.common.audio import wav_bytes
from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.retrieval.embedding import Embedders, clap_embedders, embed_pairs
from reaudio_model.retrieval.index import RetrievalIndex
from reaudio_model.retrieval.records import Pair


class Fake:
    """Vectors from the length of a file and of a caption; counts its calls."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def audio(self, paths: Sequence[Path]) -> np.ndarray:
        for path in paths:
            if b"broken" in path.read_bytes():
                raise AudioError(f"{path} cannot be decoded.")
        self.files += [path.name for path in paths]
        return self._unit([path.stat().st_size for path in paths])

    def text(self, captions: Sequence[str]) -> np.ndarray:
        return self._unit([len(caption) for caption in captions])

    @staticmethod
    def _unit(numbers: list[int]) -> np.ndarray:
        return np.array([[np.cos(n), np.sin(n)] for n in numbers], dtype=np.float32)

    def embedders(self, sha256: str = "1") -> Embedders:
        return Embedders(self.audio, self.text, sha256)


def pairs_in(folder: Path, n: int, broken: tuple[int, ...] = ()) -> list[Pair]:
    pairs = []
    for i in range(n):
        path = folder / f"{i}.wav"
        path.write_bytes(b"broken" if i in broken else b"." * (i + 1))
        pairs.append(Pair(f"c{i}", "x" * i, path))
    return pairs


def test_order_and_batches(tmp_path: Path) -> None:
    pairs = pairs_in(tmp_path, 7)
    whole = embed_pairs(pairs, Fake().embedders(), batch_size=7)
    parts = embed_pairs(pairs, Fake().embedders(), batch_size=3)
    assert whole.pairs == parts.pairs == pairs
    np.testing.assert_array_equal(whole.audio, parts.audio)
    np.testing.assert_array_equal(whole.text, Fake().text([p.caption for p in pairs]))


def test_unreadable_files_are_left_out_and_listed(tmp_path: Path) -> None:
    pairs = pairs_in(tmp_path, 5, broken=(1, 2))
    done = embed_pairs(pairs, Fake().embedders(), batch_size=2)
    assert done.left_out == ["c1", "c2"]
    assert [p.clip_id for p in done.pairs] == ["c0", "c3", "c4"]
    np.testing.assert_array_equal(done.audio, Fake().audio([p.audio for p in done.pairs]))
    np.testing.assert_array_equal(done.text, Fake().text([p.caption for p in done.pairs]))
    index = RetrievalIndex.build(pairs, Fake().embedders(), batch_size=2)
    assert (len(index), index.left_out) == (3, ("c1", "c2"))


def test_a_killed_build_goes_on(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    pairs = pairs_in(tmp_path / "audio", 6, broken=(4,))
    fake, parts = Fake(), tmp_path / "parts"
    first = embed_pairs(pairs[:4], fake.embedders(), batch_size=2, parts=parts)
    fake.files.clear()
    whole = embed_pairs(pairs, fake.embedders(), batch_size=2, parts=parts)
    assert fake.files == ["5.wav"]  # the broken one is tried again with its batch
    fresh = embed_pairs(pairs, fake.embedders(), batch_size=2)
    assert (whole.pairs, whole.left_out) == (fresh.pairs, fresh.left_out)
    assert whole.audio.tobytes() == fresh.audio.tobytes()
    assert whole.audio[:4].tobytes() == first.audio.tobytes()


def test_a_part_belongs_to_the_encoder_the_caption_the_code_and_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "audio").mkdir()
    pairs, parts = pairs_in(tmp_path / "audio", 1), tmp_path / "parts"
    assert pairs[0].audio is not None

    def files_read(sha256: str = "1", pair: Pair = pairs[0]) -> int:
        fake = Fake()
        embed_pairs([pair], fake.embedders(sha256), parts=parts)
        return len(fake.files)

    assert files_read() == 1
    assert files_read() == 0
    assert files_read(sha256="2") == 1
    assert files_read(pair=pairs[0]._replace(caption="other")) == 1
    pairs[0].audio.write_bytes(b"longer")
    assert files_read() == 1
    stat = pairs[0].audio.stat()
    pairs[0].audio.write_bytes(b"LONGER")  # of the same size and time
    os.utime(pairs[0].audio, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert files_read() == 1
    assert files_read() == 0
    for part in parts.iterdir():
        content = bytearray(part.read_bytes())
        content[-1] ^= 1  # a bit of the vectors
        part.write_bytes(content)
    assert files_read() == 1
    assert files_read() == 0
    monkeypatch.setattr("reaudio_model.retrieval.embedding.computation_sha256", lambda *_modules: "edited")
    assert files_read() == 1


def test_errors(tmp_path: Path) -> None:
    embedders = Fake().embedders()
    with pytest.raises(ReaudioError, match="The pair 'a' has no audio file to embed"):
        embed_pairs([Pair("a", "x")], embedders)
    with pytest.raises(ReaudioError, match="None of the 1 pairs has an audio file that can be read"):
        embed_pairs(pairs_in(tmp_path, 1, broken=(0,)), embedders)
    with pytest.raises(ReaudioError, match="None of the 0 pairs"):
        embed_pairs([], embedders)
    with pytest.raises(ReaudioError, match="The audio embeddings: row 0 has norm 2"):
        embed_pairs(pairs_in(tmp_path, 1), embedders._replace(audio=lambda paths: 2 * Fake().audio(paths)))
    with pytest.raises(ReaudioError, match="'c0' is in the retrieval set twice"):
        RetrievalIndex.build(pairs_in(tmp_path, 1) * 2, embedders)


def test_tiny_clap(tmp_path: Path) -> None:
    """Stereo at 44.1 kHz is mixed and resampled; a missing file is set aside."""
    pairs = tiny_pairs(tmp_path, 3)
    stereo = np.stack([tone(5, rate=44_100), tone(6, rate=44_100)], axis=1)
    (tmp_path / "stereo.wav").write_bytes(wav_bytes(stereo, 44_100))
    pairs += [Pair("stereo", "rain", tmp_path / "stereo.wav"), Pair("gone", "wind", tmp_path / "gone.wav")]
    clap = tiny_clap()
    index = RetrievalIndex.build(pairs, clap_embedders(clap, jobs=2), batch_size=4)
    assert (len(index), index.left_out, index.encoder_sha256) == (4, ("gone",), clap.sha256)
    # batches of another size may differ in the last digits
    np.testing.assert_allclose(index.text, clap.embed_text([p.caption for p in index.pairs]).numpy(), atol=1e-5)
    (found,) = index.search(index.queries(["clip-0"]), k=4)
    assert "clip-0" not in [n.pair.clip_id for n in found]
