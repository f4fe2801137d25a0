"""Records of resolved settings, files verified before they are kept, other batch sizes, and requests refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from notes import Notes
from tiny_model import tiny_clap
from tiny_pipeline import tiny_pipeline

from reaudio_model.common.errors import ReaudioError
from reaudio_model.conditioning.features import build_features
from reaudio_model.pipeline import generation_record
from reaudio_model.pipeline.generation import generate_to_files
from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline
from reaudio_model.pipeline.request import GenerateRequest
from reaudio_model.retrieval.index_search import free_prompts
from reaudio_model.retrieval.records import Pair

PROMPTS = free_prompts(["a dog barks", "the wind roars", "birds sings", "a train passes fast", "rain"])
ONE_STEP = 1 / 2**15  # of 16 bits: a rounding of float32 can reach the next one


@pytest.fixture(scope="module")
def plain() -> ReAudioLDMPipeline:
    return tiny_pipeline("none")


def request(output: Path, **changes: Any) -> GenerateRequest:
    return replace(GenerateRequest(PROMPTS, output, steps=2, batch_size=2, seconds=0.3), **changes)


@pytest.mark.slow
def test_the_record_holds_what_was_resolved(
    pipeline: ReAudioLDMPipeline, plain: ReAudioLDMPipeline, index: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    done = generate_to_files(request(tmp_path / "a", index=index, seconds=None), pipeline)
    record = json.loads(done.record.read_text())
    expected = {
        "scheduler": "dpm-solver++", "steps": 2, "eta": 0.0, "guidance_scale": 3.5, "retrieval_guidance_scale": None,
        "negative_prompt": None, "candidates": 1, "peak": None, "seed": 0, "seconds": 0.64, "k": 2, "retrieval": "audio+text",
        "tokens": "float32",
        "dtype": "float32", "device": "cpu",
    }  # fmt: skip
    assert record["settings"] == done.settings == expected
    assert record["made_on"] == [{"device": "cpu", "tf32": None, "batch_size": 2}]
    assert set(record["encoders"]) == {"clap", "audio_mae", "t5"}
    nothing = generate_to_files(request(tmp_path / "b", k=0), pipeline)
    assert (nothing.settings["k"], nothing.settings["retrieval"], nothing.settings["tokens"]) == (0, "none", None)
    audio = generate_to_files(request(tmp_path / "c", index=index, retrieval="audio", k=1), pipeline)
    assert (audio.settings["k"], audio.settings["retrieval"]) == (1, "audio")
    assert generate_to_files(request(tmp_path / "d"), plain).settings["k"] == 0
    build_features(pairs, pipeline.conditioner, tmp_path / "features")
    stored = request(tmp_path / "a", index=index, seconds=None, features=tmp_path / "features")
    with pytest.raises(
        ReaudioError, match=r"generated differently \(not the same: settings\)"
    ):  # float16 tokens give another sound
        generate_to_files(stored, pipeline)
    kept = generate_to_files(replace(stored, output=tmp_path / "e"), pipeline)
    assert kept.settings["tokens"] == "stored float16"


def test_the_scheduler_of_the_caller_stays(plain: ReAudioLDMPipeline, tmp_path: Path) -> None:
    before = plain.scheduler
    generate_to_files(request(tmp_path, scheduler="ddim"), plain)
    assert plain.scheduler is before


def test_a_file_that_was_changed_is_made_again(plain: ReAudioLDMPipeline, tmp_path: Path) -> None:
    """Overwritten with noise, it was kept and scored as the model's."""
    done = generate_to_files(request(tmp_path), plain)
    before = [file.read_bytes() for file in done.files]
    soundfile.write(done.files[1], np.random.default_rng(0).uniform(-1, 1, 4800), 16_000)
    notes = Notes()
    again = generate_to_files(request(tmp_path), plain, reporter=notes)
    assert again.made == 1
    assert [file.read_bytes() for file in again.files] == before
    assert notes.lines == ["Made again, because they are no longer the files that were generated: prompt-2.wav."]
    assert generate_to_files(request(tmp_path), plain).made == 0


def test_pairs_code_and_settings_that_changed_are_named(
    pipeline: ReAudioLDMPipeline, index: Path, pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_to_files(request(tmp_path, index=index), pipeline)
    paths = [pair.audio for pair in pairs if pair.audio is not None]
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        with pytest.raises(ReaudioError, match=r"generated differently \(not the same: pairs\)"):
            generate_to_files(request(tmp_path, index=index), pipeline)
    finally:
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
    assert generate_to_files(request(tmp_path, index=index), pipeline).made == 0
    known = generation_record.versions()
    monkeypatch.setattr(generation_record, "versions", lambda: known | {"code": "0" * 64})
    with pytest.raises(ReaudioError, match=r"generated differently \(not the same: versions\)"):
        generate_to_files(request(tmp_path, index=index), pipeline)


def test_an_interrupted_generation_goes_on_with_another_batch_size(plain: ReAudioLDMPipeline, tmp_path: Path) -> None:
    whole = generate_to_files(request(tmp_path / "a", batch_size=5), plain)
    first = generate_to_files(request(tmp_path / "b", batch_size=5), plain)
    for file in first.files[1:]:
        file.unlink()
    resumed = generate_to_files(request(tmp_path / "b", batch_size=1), plain)
    assert resumed.made == 4
    assert [each["batch_size"] for each in json.loads(resumed.record.read_text())["made_on"]] == [5, 1]
    for one, other in zip(whole.files, resumed.files, strict=True):
        # Random weights saturate: rounding can turn the sign of a sample near zero, on some processors.
        assert np.mean(np.abs(soundfile.read(one)[0] - soundfile.read(other)[0]) > ONE_STEP) < 0.01
    assert generate_to_files(request(tmp_path / "b", batch_size=3), plain).made == 0


def test_silent_clips_are_noted(plain: ReAudioLDMPipeline, tmp_path: Path) -> None:
    vocoder = {name: value.clone() for name, value in plain.vocoder.state_dict().items()}
    notes = Notes()
    try:
        with torch.no_grad():
            for weight in plain.vocoder.conv_post.parameters():
                weight.zero_()
        generate_to_files(request(tmp_path / "a"), plain, reporter=notes)
    finally:
        plain.vocoder.load_state_dict(vocoder)
    assert notes.lines == ["5 of 5 clips are silent (all samples are 0): prompt-1.wav, prompt-2.wav, prompt-3.wav."]
    generate_to_files(request(tmp_path / "b"), plain, reporter=(heard := Notes()))
    assert heard.lines == []


def test_a_nan_leaves_no_file(plain: ReAudioLDMPipeline, tmp_path: Path) -> None:
    bias = plain.unet.unet.conv_out.bias
    before = bias.detach().clone()
    try:
        with torch.no_grad():
            bias[0] = float("nan")
        with pytest.raises(ReaudioError, match="Nothing was generated: the denoiser gives latents that are NaN"):
            generate_to_files(request(tmp_path / "out"), plain)
    finally:
        with torch.no_grad():
            bias.copy_(before)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".FLAC"])
def test_one_file_by_its_suffix(plain: ReAudioLDMPipeline, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"dog{suffix}"
    done = generate_to_files(request(path, prompts=PROMPTS[:1]), plain)
    assert done.files == [path]
    assert soundfile.info(path).format == suffix.strip(".").upper()
    reference = generate_to_files(request(tmp_path / "all", prompts=PROMPTS[:1]), plain)
    np.testing.assert_array_equal(soundfile.read(path)[0], soundfile.read(reference.files[0])[0])


def test_a_folder_with_the_name_of_a_file(plain: ReAudioLDMPipeline, tmp_path: Path) -> None:
    (tmp_path / "a.wav").mkdir()
    done = generate_to_files(request(tmp_path / "a.wav", prompts=PROMPTS[:1]), plain)
    assert done.files == [tmp_path / "a.wav" / "prompt-1.wav"]


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("none", {"output": "dog.mp3", "prompts": PROMPTS[:1]}, r"dog\.mp3: files are written as \.wav or \.flac, or as WAV into"),
        ("none", {"k": 3}, "This model retrieves nothing: leave out k"),
        ("none", {"features": "f"}, "This model retrieves nothing: leave out features"),
        ("none", {"index": "i", "features": "f"}, "This model retrieves nothing: leave out index and features"),
        ("none", {"guidance_scale": float("nan")}, "guidance_scale must be a finite number, not nan"),
        ("none", {"retrieval_guidance_scale": float("inf")}, "retrieval_guidance_scale must be a finite number"),
        ("none", {"steps": 2.5}, "steps must be a whole number"),
        ("none", {"batch_size": 1.5}, "batch_size must be a whole number"),
        ("audio+text", {}, r"This model uses retrieved pairs: give an index .*, or k 0 \(--k 0\) to retrieve nothing"),
        ("audio+text", {"features": "f", "k": 0}, "features are those of an index's pairs: give the index too"),
    ],
)  # fmt: skip
def test_requests_without_a_meaning_are_refused(
    pipeline: ReAudioLDMPipeline,
    plain: ReAudioLDMPipeline,
    tmp_path: Path,
    kind: str,
    changes: dict[str, Any],
    message: str,
) -> None:
    model = plain if kind == "none" else pipeline
    asked = request(tmp_path / changes.get("output", "out"), **{k: v for k, v in changes.items() if k != "output"})
    with pytest.raises(ReaudioError, match=message) as raised:
        generate_to_files(asked, model)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_reranker_needs_candidates(plain: ReAudioLDMPipeline, tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="A reranker chooses among candidates: give 2 or more"):
        generate_to_files(request(tmp_path / "a"), plain, reranker=tiny_clap(seed=3))
