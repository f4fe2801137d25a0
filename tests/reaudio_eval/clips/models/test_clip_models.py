"""Systems that are folders, the real audio, and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from reaudio_eval.clips.models import ClipRequest, clips, noise, real
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_model.common.audio import decode
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.seeds import clip_seed

PROMPTS = (Prompt("a", "x"), Prompt("b", "y"), Prompt("c", "z"))


def dataset(**fields: object) -> Dataset:
    return Dataset("d", "test", PROMPTS, {}, {}, **fields)  # type: ignore[arg-type]


def write(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def test_kinds() -> None:
    assert (clips.PLUGIN.kind, real.PLUGIN.kind, noise.PLUGIN.kind) == ("generated", "real", "noise")


def test_clip_seed() -> None:
    assert clip_seed(0, "a") == 5690829181965289459  # pinned: changing it changes every generated clip
    seeds = {clip_seed(seed, clip_id) for seed in range(20) for clip_id in ("a", "b", "1:a")}
    assert len(seeds) == 60
    assert all(0 <= s < 2**63 for s in seeds)


def test_clips_of_a_folder(tmp_path: Path) -> None:
    for stem in ("a", "c", "stranger"):
        write(tmp_path / f"{stem}.wav", np.zeros(9))
    request = ClipRequest(PROMPTS, dataset(), tmp_path / "out", tmp_path)
    assert clips.PLUGIN.clips(request) == {"a": tmp_path / "a.wav", "c": tmp_path / "c.wav"}
    assert not (tmp_path / "out").exists()


def test_clips_by_the_names_of_the_dataset(tmp_path: Path) -> None:
    write(tmp_path / "Yvid.wav", np.zeros(9))
    names = {"clip_id": {"a": "a"}, "Y": {"Yvid": "b", "Yother": "c"}}
    assert clips.PLUGIN.clips(ClipRequest(PROMPTS, dataset(file_names=names), tmp_path, tmp_path)) == {
        "b": tmp_path / "Yvid.wav"
    }
    assert clips.PLUGIN.clips(ClipRequest(PROMPTS[:1], dataset(file_names=names), tmp_path, tmp_path)) == {}


def test_clips_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="needs a folder: --clips NAME=FOLDER"):
        clips.PLUGIN.clips(ClipRequest(PROMPTS, dataset(), tmp_path))


def test_real(tmp_path: Path) -> None:
    references = {"b": tmp_path / "b.wav", "x": tmp_path / "x.wav"}
    assert real.PLUGIN.clips(ClipRequest(PROMPTS, dataset(references=references), tmp_path)) == {"b": tmp_path / "b.wav"}


def test_noise_is_as_long_and_loud_as_the_real_clip(tmp_path: Path) -> None:
    t = np.arange(44_100) / 44_100
    loud = write(tmp_path / "ref" / "a.wav", np.stack([0.2 * np.sin(2 * np.pi * 300 * t)] * 2, axis=1), 44_100)
    (tmp_path / "ref" / "b.wav").write_bytes(b"broken")
    references = {"a": loud, "b": tmp_path / "ref" / "b.wav"}
    made = noise.PLUGIN.clips(ClipRequest(PROMPTS, dataset(references=references), tmp_path / "out", seed=3))
    assert list(made) == ["a", "b", "c"]
    found = {clip_id: decode(path) for clip_id, path in made.items()}
    assert [found[c].samples.shape for c in "abc"] == [(16_000, 1), (160_000, 1), (160_000, 1)]
    level = {c: float(np.sqrt(np.mean(found[c].samples ** 2))) for c in "abc"}
    assert level["a"] == pytest.approx(0.2 / np.sqrt(2), rel=2e-3)  # 16 bits
    assert [level["b"], level["c"]] == pytest.approx([0.1, 0.1], rel=2e-3)
    assert not np.array_equal(found["b"].samples, found["c"].samples)


def test_noise_of_a_silent_clip_is_not_silent(tmp_path: Path) -> None:
    silent = write(tmp_path / "a.wav", np.zeros(16_000))
    made = noise.PLUGIN.clips(ClipRequest(PROMPTS[:1], dataset(references={"a": silent}), tmp_path / "out"))
    assert np.abs(decode(made["a"]).samples).max() > 0.1


def test_noise_depends_on_seed_and_clip_alone(tmp_path: Path) -> None:
    def make(folder: str, seed: int, prompts: tuple[Prompt, ...] = PROMPTS) -> dict[str, bytes]:
        made = noise.PLUGIN.clips(ClipRequest(prompts, dataset(), tmp_path / folder, seed=seed))
        return {clip_id: path.read_bytes() for clip_id, path in made.items()}

    first = make("one", 0)
    assert make("two", 0, PROMPTS[::-1]) == first
    assert make("three", 0, PROMPTS[1:2]) == {"b": first["b"]}
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "one").iterdir()}
    assert make("one", 0) == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "one").iterdir()} == times  # left alone
    assert make("one", 1)["a"] != first["a"]


def test_noise_is_pink() -> None:
    wave = noise.pink_noise(160_000, 0.1, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(wave)) ** 2
    octaves = [power[int(f * 10) : int(f * 20)].sum() for f in (62.5, 125, 250, 500, 1000, 2000)]
    assert max(octaves) / min(octaves) < 1.2  # equal power in every octave; 625 bins in the lowest


def test_pink_noise_does_not_clip() -> None:
    wave = noise.pink_noise(16_000, 0.9, np.random.default_rng(0))
    assert np.abs(wave).max() == pytest.approx(0.99, rel=1e-6)
    assert wave.dtype == np.float32
    assert len(noise.pink_noise(1, 0.1, np.random.default_rng(0))) == 1


def test_noise_into_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(ReaudioError, match="Cannot write"):
        noise.PLUGIN.clips(ClipRequest(PROMPTS, dataset(), tmp_path / "out"))
