"""Prompts to files: records, resuming to the same bytes, retrieval from an index, refused requests."""

from __future__ import annotations

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import soundfile
import torch
from tiny_model import tiny_clap, tiny_conditioner

from reaudio_model.common.errors import AudioError, CheckpointError, ReaudioError, UnknownNameError
from reaudio_model.common.files import folder_lock
from reaudio_model.common.progress import Reporter
from reaudio_model.conditioning.features import build_features
from reaudio_model.config import PRESETS
from reaudio_model.pipeline.assemble import Parts, assemble_pipeline, load_pipeline, load_unet_folder
from reaudio_model.pipeline.generation import Generated, generate_to_files
from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline
from reaudio_model.pipeline.request import GenerateRequest
from reaudio_model.retrieval.embedding import clap_embedders
from reaudio_model.retrieval.index import RetrievalIndex
from reaudio_model.retrieval.index_files import load_neighbours
from reaudio_model.retrieval.index_search import SearchSettings, free_prompts
from reaudio_model.retrieval.records import Pair

PROMPTS = free_prompts(["a dog barks", "the wind roars", "birds sings", "a train passes fast", "rain"])
CPU = torch.device("cpu")


def request(output: Path, **changes: Any) -> GenerateRequest:
    """Without retrieval unless pairs are named."""
    k = None if {"index", "given"} & set(changes) else 0
    return replace(GenerateRequest(PROMPTS, output, steps=2, batch_size=2, seconds=0.3, k=k), **changes)


def contents(generated: Generated) -> list[bytes]:
    return [file.read_bytes() for file in generated.files]


def test_files_and_record(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    generated = generate_to_files(request(tmp_path), pipeline)
    assert generated.made == len(PROMPTS)
    assert [file.name for file in generated.files] == [f"{prompt.clip_id}.wav" for prompt in PROMPTS]
    samples, rate = soundfile.read(generated.files[0])
    assert (len(samples), rate) == (4800, 16_000)
    assert abs(samples).max() > 1e-3
    record = json.loads(generated.record.read_text())
    assert record["settings"]["steps"] == 2
    assert [clip["prompt"] for clip in record["clips"]] == [prompt.caption for prompt in PROMPTS]
    assert len({clip["seed"] for clip in record["clips"]}) == len(PROMPTS)
    assert set(record["model"]) == {"unet", "vae", "vocoder"}


def test_a_killed_call_goes_on_to_the_same_bytes(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    whole = generate_to_files(request(tmp_path / "a"), pipeline)
    killed = generate_to_files(request(tmp_path / "b"), pipeline)
    kept = killed.files[0].stat().st_mtime_ns
    for file in killed.files[1:]:
        file.unlink()
    resumed = generate_to_files(request(tmp_path / "b"), pipeline)
    assert resumed.made == len(PROMPTS) - 1
    assert contents(resumed) == contents(whole)
    assert resumed.files[0].stat().st_mtime_ns == kept
    assert generate_to_files(request(tmp_path / "b"), pipeline).made == 0


def test_one_file(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    generated = generate_to_files(request(tmp_path / "dog.wav", prompts=PROMPTS[:1]), pipeline)
    assert generated.files == [tmp_path / "dog.wav"]
    assert generated.record == tmp_path / "dog.json"
    with pytest.raises(ReaudioError, match="is one file, but there are 5 prompts"):
        generate_to_files(request(tmp_path / "dog.wav"), pipeline)


def test_overwrite_makes_all_files_again(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    before = contents(generate_to_files(request(tmp_path), pipeline))
    with pytest.raises(ReaudioError, match=r"generated differently \(not the same: settings, clips\)"):
        generate_to_files(request(tmp_path, seed=1), pipeline)
    again = generate_to_files(request(tmp_path, seed=1, overwrite=True), pipeline)
    assert again.made == len(PROMPTS)
    assert not set(contents(again)) & set(before)
    assert generate_to_files(request(tmp_path, seed=1), pipeline).made == 0


@pytest.mark.slow
def test_retrieval_from_an_index_with_stored_features(
    pipeline: ReAudioLDMPipeline, index: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    build_features(pairs, pipeline.conditioner, tmp_path / "features")
    with_audio = generate_to_files(request(tmp_path / "a", index=index), pipeline)
    stored = generate_to_files(request(tmp_path / "b", index=index, features=tmp_path / "features"), pipeline)
    nothing = generate_to_files(request(tmp_path / "c", index=index, k=0), pipeline)
    none = generate_to_files(request(tmp_path / "d"), pipeline)
    clips = json.loads(with_audio.record.read_text())["clips"]
    assert all(len(set(clip["retrieved"])) == 2 for clip in clips)
    others = json.loads(stored.record.read_text())["clips"]
    assert [clip["retrieved"] for clip in others] == [clip["retrieved"] for clip in clips]
    kept = load_neighbours(tmp_path / "a" / "retrieved.parquet")
    assert {c: [n.pair.clip_id for n in found] for c, found in kept.items()} == {c["clip_id"]: c["retrieved"] for c in clips}
    facts = json.loads((tmp_path / "a" / "leak_report.json").read_text())
    assert (facts["leaks"]["k"], facts["question"]["used"], facts["question"]["pool"]) == (2, 2, "train")
    assert not (tmp_path / "c" / "retrieved.parquet").exists()
    assert contents(nothing) == contents(none) != contents(with_audio)


def test_an_index_that_moved_is_the_same_and_another_in_its_place_is_not(
    pipeline: ReAudioLDMPipeline, index: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(index, here)
    assert generate_to_files(request(tmp_path / "out", index=here), pipeline).made == len(PROMPTS)
    here.rename(there)
    assert generate_to_files(request(tmp_path / "out", index=there), pipeline).made == 0
    shutil.rmtree(there)
    RetrievalIndex.build(pairs[:-1], clap_embedders(pipeline.conditioner.clap)).save(there)
    with pytest.raises(ReaudioError, match="generated differently"):
        generate_to_files(request(tmp_path / "out", index=there), pipeline)


@pytest.mark.slow
def test_what_is_given_of_the_pairs_and_what_it_took(pipeline: ReAudioLDMPipeline, index: Path, tmp_path: Path) -> None:
    every = generate_to_files(request(tmp_path / "every", index=index), pipeline)
    audio = generate_to_files(request(tmp_path / "audio", index=index, retrieval="audio"), pipeline)
    none = generate_to_files(request(tmp_path / "none", index=index, retrieval="none"), pipeline)
    bare = generate_to_files(request(tmp_path / "bare"), pipeline)
    assert contents(none) == contents(bare)
    assert len({contents(each)[0] for each in (every, audio, none)}) == 3
    retrieved = [
        [clip["retrieved"] for clip in json.loads(each.record.read_text())["clips"]] for each in (every, audio, none)
    ]
    assert retrieved[0] == retrieved[1]
    assert retrieved[2] == [[]] * len(PROMPTS)
    assert every.computed == len(PROMPTS)
    assert every.seconds > 0
    every.files[0].unlink()
    again = generate_to_files(request(tmp_path / "every", index=index), pipeline)
    assert (again.made, again.computed) == (1, 2)  # a batch is computed whole
    kept = generate_to_files(request(tmp_path / "every", index=index), pipeline)
    assert (kept.computed, kept.seconds) == (0, 0.0)


def test_a_clip_of_the_index_does_not_retrieve_itself(
    pipeline: ReAudioLDMPipeline, index: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    generated = generate_to_files(request(tmp_path, prompts=pairs, index=index, k=5), pipeline)
    clips = json.loads(generated.record.read_text())["clips"]
    assert all(clip["clip_id"] not in clip["retrieved"] for clip in clips)
    with pytest.raises(ReaudioError, match="k is 7, but the pool 'train' holds 6 pairs"):
        generate_to_files(request(tmp_path / "b", index=index, k=7), pipeline)


def test_candidates_are_chosen_by_the_reranker(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    chosen = generate_to_files(request(tmp_path, candidates=2), pipeline, reranker=tiny_clap(seed=3))
    assert json.loads(chosen.record.read_text())["reranker"] == tiny_clap(seed=3).sha256
    with pytest.raises(ReaudioError, match="More than one candidate needs a CLAP"):
        generate_to_files(request(tmp_path, candidates=2), pipeline)


def test_an_index_or_features_of_other_encoders_are_refused(
    pipeline: ReAudioLDMPipeline, index: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    RetrievalIndex.build(pairs, clap_embedders(tiny_clap(seed=9))).save(tmp_path / "index")
    with pytest.raises(ReaudioError, match="was built with another CLAP"):
        generate_to_files(request(tmp_path / "a", index=tmp_path / "index"), pipeline)
    build_features(pairs, tiny_conditioner(seed=9), tmp_path / "features")
    with pytest.raises(ReaudioError, match="were made with other encoders"):
        generate_to_files(request(tmp_path / "a", index=index, features=tmp_path / "features"), pipeline)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts": ()}, "There is no prompt"),
        ({"prompts": (Pair("a", " "),)}, "Prompt 1 of 1 is empty"),
        ({"prompts": (Pair("../a", "rain"),)}, "'../a' cannot be a file name"),
        ({"prompts": (Pair("a", "rain"), Pair("a", "wind"))}, "Two prompts have the same clip_id"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"k": 3}, "there is no index to retrieve from"),
        ({"scheduler": "euler"}, "Unknown scheduler 'euler'"),
        ({"seconds": 60.0}, "duration must be between 0.1 and 30 seconds"),
        ({"steps": 0}, "num_inference_steps must be between 1 and 999"),
    ],
)
def test_bad_requests_leave_nothing_behind(
    pipeline: ReAudioLDMPipeline, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ReaudioError, match=message):
        generate_to_files(request(tmp_path / "out", **changes), pipeline)
    assert not (tmp_path / "out").exists()


def test_foreign_files_are_not_taken_for_results(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    (tmp_path / "prompt-1.wav").write_bytes(b"mine")
    with pytest.raises(ReaudioError, match="no record of how it was made"):
        generate_to_files(request(tmp_path), pipeline)
    (tmp_path / "generation.json").write_text("{")
    with pytest.raises(
        ReaudioError, match=r"generation\.json \(the record of the generated clips\) is not valid JSON .*, or --overwrite"
    ):
        generate_to_files(request(tmp_path), pipeline)


def test_a_retrieved_file_that_is_broken_is_named(pipeline: ReAudioLDMPipeline, pairs: list[Pair], tmp_path: Path) -> None:
    broken = [replace_audio(pair, tmp_path) for pair in pairs]
    RetrievalIndex.build(broken, clap_embedders(pipeline.conditioner.clap)).save(tmp_path / "index")
    for pair in broken:
        assert pair.audio is not None
        pair.audio.write_bytes(b"RIFF")
    with pytest.raises(AudioError, match="cannot be decoded"):
        generate_to_files(request(tmp_path / "a", index=tmp_path / "index"), pipeline)


def replace_audio(pair: Pair, folder: Path) -> Pair:
    assert pair.audio is not None
    copy = folder / pair.audio.name
    copy.write_bytes(pair.audio.read_bytes())
    return pair._replace(audio=copy)


@pytest.mark.slow
def test_parts_are_put_together_and_loaded_whole(
    pipeline: ReAudioLDMPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    parts = tmp_path / "parts"
    pipeline.save_pretrained(parts)
    (parts / "t5").mkdir(exist_ok=True)
    pipeline.t5_tokenizer.save_pretrained(parts / "t5")
    pipeline.clap_tokenizer.save_pretrained(parts / "clap")
    paths = Parts(
        vae=parts / "vae", vocoder=parts / "vocoder", clap=parts / "clap", audio_mae=parts / "audio_mae",
        t5=str(parts / "t5"), unet=Path("~/parts/unet"),
    )  # fmt: skip
    assembled = assemble_pipeline(paths, pipeline.model_config)
    assembled.save_pretrained(tmp_path / "whole")
    loaded = load_pipeline("~/whole", device=CPU)
    loaded.set_progress_bar_config(disable=True)
    assert contents(generate_to_files(replace(request(tmp_path), output="~/a"), loaded)) == contents(
        generate_to_files(request(tmp_path / "b"), pipeline)
    )
    half = load_pipeline(tmp_path / "whole", device=CPU, dtype="bfloat16")
    assert (half.unet.dtype, half.vae.dtype) == (torch.bfloat16, torch.float32)
    assert half.conditioner.identity() == pipeline.conditioner.identity()


def test_what_is_not_a_model_is_refused(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is not a saved pipeline: it has no model_index\.json"):
        load_pipeline(tmp_path, device=CPU)
    with pytest.raises(CheckpointError, match="There is no folder nobody/nothing, nor a whole model of that name"):
        load_pipeline("nobody/nothing", device=CPU)
    (tmp_path / "audioldm").mkdir()
    (tmp_path / "audioldm/model_index.json").write_text('{"_class_name": "AudioLDMPipeline"}')
    with pytest.raises(
        CheckpointError,
        match=r"is of AudioLDMPipeline, not of a Re-AudioLDM pipeline .*`reaudio-model assemble` makes a pipeline",
    ):
        load_pipeline(tmp_path / "audioldm", device=CPU)
    with pytest.raises(CheckpointError, match="is not a saved denoiser"):
        load_unet_folder(tmp_path)
    with pytest.raises(CheckpointError, match=r"The checkpoint of clap is needed: give parts\.clap"):
        assemble_pipeline(Parts(), PRESETS["tiny"])
    pipeline.save_pretrained(tmp_path / "whole")
    (tmp_path / "whole/model_index.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"model_index\.json .* is not valid JSON"):
        load_pipeline(tmp_path / "whole", device=CPU)


def test_unknown_choices_of_the_question(pipeline: ReAudioLDMPipeline, index: Path, tmp_path: Path) -> None:
    search = SearchSettings(pool="tests")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="tests"):
        generate_to_files(request(tmp_path, index=index, search=search), pipeline)


def test_given_neighbours_take_the_place_of_an_index(
    pipeline: ReAudioLDMPipeline, pairs: list[Pair], index: Path, tmp_path: Path
) -> None:
    given = [[pair] for pair in pairs[: len(PROMPTS)]]
    asked = request(tmp_path / "given", given=given, k=1)
    done = generate_to_files(asked, pipeline)
    record = json.loads(done.record.read_text())
    assert [clip["retrieved"] for clip in record["clips"]] == [[pair.clip_id] for pair in pairs[: len(PROMPTS)]]
    assert record["question"] is None
    assert "given" not in record["settings"]
    assert contents(done) != contents(generate_to_files(request(tmp_path / "none"), pipeline))
    with pytest.raises(ReaudioError, match="generated differently"):
        generate_to_files(replace(asked, given=given[::-1]), pipeline)
    for wrong in ({"index": index}, {"given": given[:1]}):
        with pytest.raises(ReaudioError, match="not both, and not for some prompts only"):
            generate_to_files(replace(asked, **wrong), pipeline)  # type: ignore[arg-type]


def test_two_processes_with_one_folder_take_turns(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    said = Event()

    class Waits(Reporter):
        def note(self, message: str) -> None:
            assert message == f"Another process writes to {tmp_path}: waiting for it."
            said.set()

    made: list[int] = []
    other = Thread(target=lambda: made.append(generate_to_files(request(tmp_path), pipeline, reporter=Waits(True)).made))
    with folder_lock(tmp_path):
        other.start()
        assert said.wait(60)
        assert not list(tmp_path.iterdir())
    other.join()
    assert made == [len(PROMPTS)]
    assert generate_to_files(request(tmp_path), pipeline).made == 0


@pytest.mark.slow
def test_features_of_audio_that_was_changed_are_refused(
    pipeline: ReAudioLDMPipeline, pairs: list[Pair], tmp_path: Path
) -> None:
    own = [replace_audio(pair, tmp_path) for pair in pairs]
    RetrievalIndex.build(own, clap_embedders(pipeline.conditioner.clap)).save(tmp_path / "index")
    build_features(own, pipeline.conditioner, tmp_path / "features")
    for pair, other in zip(own, pairs[::-1], strict=True):
        assert pair.audio is not None
        assert other.audio is not None
        pair.audio.write_bytes(other.audio.read_bytes())
    asked = request(tmp_path / "a", index=tmp_path / "index", features=tmp_path / "features")
    with pytest.raises(ReaudioError, match=r"was changed since its features in .* were computed: build the features again"):
        generate_to_files(asked, pipeline)
    assert not (tmp_path / "a").exists()
    assert generate_to_files(replace(asked, features=None), pipeline).made == len(PROMPTS)


def test_a_disk_that_is_full_at_any_write_is_gone_on_with(
    pipeline: ReAudioLDMPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = PROMPTS[:2]
    before = contents(generate_to_files(request(tmp_path / "whole", prompts=prompts), pipeline))
    swap = Path.replace
    for number in range(4):  # the record, two clips, their hashes
        left = [number]

        def full(self: Path, target: Path, left: list[int] = left) -> Path:
            left[0] -= 1
            if left[0] == -1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return swap(self, target)

        monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(ReaudioError, match="the disk is full; free some space and repeat the command"):
            generate_to_files(request(tmp_path / "out", prompts=prompts), pipeline)
        monkeypatch.setattr(Path, "replace", swap)
        assert not list((tmp_path / "out").glob(".tmp-*"))
        assert contents(generate_to_files(request(tmp_path / "out", prompts=prompts), pipeline)) == before
        shutil.rmtree(tmp_path / "out")
