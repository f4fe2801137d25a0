"""Before a training: everything missing at once, splits that are mixed, missing and broken clips, counts and estimates."""

from __future__ import annotations

from pathlib import Path

import pytest
from notes import Notes
from tiny_model import RATE, tone
from training_worlds import HEADER, clips_in, overrides, reset_accelerator, run

from reaudio_model.common.audio import wav_bytes
from reaudio_model.common.errors import ReaudioError
from reaudio_model.config import Part
from reaudio_model.training.estimates import FLOAT, METHOD
from reaudio_model.training.plan import TrainingPlan
from reaudio_model.training.run import plan_training


def plan(world: Path, *more: str, part: Part = "diffusion", config: str = "tiny") -> TrainingPlan:
    return plan_training(part, config, world / "planned", device="cpu", overrides=overrides(world, *more))


def test_everything_missing_is_named_at_once(world: Path, tmp_path: Path) -> None:
    faults = (
        "data.pairs=[nowhere.csv]", "data.validation=[nor-there.csv]", "parts.vae=null", "parts.clap=null",
        f"parts.audio_mae={tmp_path / 'gone'}", "parts.t5=nowhere", "loop.precision=float16",
    )  # fmt: skip
    found = plan(world, *faults)
    assert len(found.problems) == 6
    with pytest.raises(ReaudioError) as refused:
        run("diffusion", "tiny", world, tmp_path / "run", *faults)
    for part in (
        "The training of diffusion cannot start: nowhere.csv does not exist", "nor-there.csv does not exist",
        "the checkpoints of vae, clap must be given as parts.vae, parts.clap", "gone does not exist",
        "the T5 nowhere is not on this machine: give its folder as parts.t5", "loop.precision float16 needs a GPU",
    ):  # fmt: skip
        assert part in str(refused.value)
    assert not (tmp_path / "run").exists()
    assert "missing: the checkpoints of vae, clap must" in found.to_text()


def test_counts_and_estimates(world: Path) -> None:
    found = plan(world, "loop.steps=9", f"data.validation=[{world / 'pairs.csv'}]", "parts.vocoder=null")
    facts = found.to_json()
    assert (facts["ready"], facts["device"], facts["processes"], facts["steps"]) == (True, "cpu", 1, 9)
    assert facts["training"] == {"clips": 6, "splits": {"train": 6}, "missing": []}
    assert (facts["clips_per_step"], facts["epochs"]) == (2, 3.0)
    sizes = facts["estimates"]
    assert sizes["method"] == METHOD
    assert sizes["checkpoints"] == 3 * sizes["parameters"] * FLOAT * 4
    assert sizes["memory"] > sizes["parameters"] * FLOAT * 5
    assert [note[:30] for note in found.notes] == ["parts.vocoder is not given: th", "6 validation clips are also tr"]
    text = found.to_text()
    assert "6 training clips (train 6)\n6 validation clips (train 6)\n9 steps of 2 clips, 3.0 epochs" in text
    assert text.endswith("ready; the audio is decoded when the training starts")
    assert not (world / "planned").exists()


@pytest.mark.parametrize(
    ("part", "config"), [("vae", "vae"), ("vocoder", "vocoder"), ("clap", "clap"), ("audio-mae", "audio-mae"), ("t5", "t5")]
)
def test_estimated_parameters_are_those_that_are_trained(world: Path, part: Part, config: str) -> None:
    """Of networks that are built; those read from files are counted from their size, which has a header."""
    sizes = plan(world, part=part, config=config).to_json()["estimates"]
    assert sizes["memory"] == sizes["parameters"] * FLOAT * 4


@pytest.mark.slow
def test_estimates_equal_what_a_run_writes(world: Path, tmp_path: Path) -> None:
    """Checkpoints to 10 % (headers), the cache to 10 %."""
    found = plan(world).to_json()["estimates"]
    run("diffusion", "tiny", world, tmp_path, "loop.checkpoint_every=1")
    written = sum(path.stat().st_size for path in (tmp_path / "checkpoints").rglob("*") if path.is_file())
    assert written == pytest.approx(found["checkpoints"], rel=0.1)
    cached = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.safetensors"))
    assert cached == pytest.approx(found["cache"], rel=0.1)


@pytest.mark.parametrize("part", ["vae", "diffusion"])
def test_a_joined_table_needs_a_split(world: Path, tmp_path: Path, part: Part) -> None:
    table = clips_in(tmp_path)
    lines = table.read_text().splitlines()
    splits = ["train", "train", "train", "val", "test", "test"]
    table.write_text("\n".join([HEADER, *(f"{row[:-5]}{s}" for row, s in zip(lines[1:], splits, strict=True))]) + "\n")
    config = "vae" if part == "vae" else "tiny"
    joined = (f"data.pairs=[{table}]", "discriminator_width=4")
    with pytest.raises(
        ReaudioError, match=r"clips of several splits \(test 2, train 3, val 1\): choose one, e\.g\. data\.split=train"
    ):
        run(part, config, world, tmp_path / "run", *joined)
    with pytest.raises(
        ReaudioError, match=r"\(data\.validation\) has clips of several .* e\.g\. data\.validation_split=train"
    ):
        run(part, config, world, tmp_path / "run", *joined, "data.split=train", f"data.validation=[{table}]")
    found = plan(world, *joined, "data.split=train", part=part, config=config).to_json()
    assert found["training"] == {"clips": 3, "splits": {"train": 3}, "missing": []}


def damaged_clips(folder: Path) -> Path:
    """Eight rows: six clips of which one cannot be decoded and one is cut, and two without a file."""
    table = clips_in(folder)
    (folder / "audio/clip-1.wav").write_bytes(b"RIFF")
    whole = wav_bytes(tone(2), RATE)
    (folder / "audio/clip-2.wav").write_bytes(whole[: len(whole) * 6 // 10])
    table.write_text(table.read_text() + "gone-1,rain,audio/gone-1.wav,v,train\ngone-2,rain,audio/gone-2.wav,w,train\n")
    labels = folder / "labels.csv"
    labels.write_text(labels.read_text() + "gone-1,rain,audio/gone-1.wav,dog\ngone-2,rain,audio/gone-2.wav,dog\n")
    return table


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "config", "more"),
    [
        ("diffusion", "tiny", ()),
        ("tagger", "tagger", ()),
        pytest.param("vae", "vae", ("discriminator_width=4",), marks=pytest.mark.slow),
        pytest.param("vocoder", "vocoder", ("discriminator_width=16",), marks=pytest.mark.slow),
        pytest.param("clap", "clap", (), marks=pytest.mark.slow),
        pytest.param("audio-mae", "audio-mae", (), marks=pytest.mark.slow),
    ],
)
def test_missing_and_broken_clips_are_treated_alike(
    world: Path, tmp_path: Path, part: Part, config: str, more: tuple[str, ...]
) -> None:
    table = damaged_clips(tmp_path / "clips")
    if part == "tagger":
        table = table.with_name("labels.csv")
    settings = (f"data.pairs=[{table}]", "loop.steps=1", "loop.workers=1", *more)
    said = Notes()
    assert run(part, config, world, tmp_path / "run", *settings, reporter=said).finished
    reset_accelerator()
    for line in (
        "3 of 8 training clips are left out, their audio is missing or cannot be read: gone-1, gone-2, clip-1",
        "1 of 8 training clips are not whole and used as they are: clip-2",
    ):
        assert line in said.lines
    with pytest.raises(
        ReaudioError, match=r"audio of 3 of 8 training clips .* \(gone-1, gone-2, clip-1\): repair it, or leave"
    ):
        run(part, config, world, tmp_path / "strict", *settings, strict=True)


def test_truncated_clips_are_refused_with_strict(world: Path, tmp_path: Path) -> None:
    table = damaged_clips(tmp_path / "clips")
    rows = [line for line in table.read_text().splitlines() if not line.startswith(("gone", "clip-1"))]
    table.write_text("\n".join(rows) + "\n")
    with pytest.raises(ReaudioError, match=r"1 of 5 training clips are not whole \(clip-2; .*\): repair them, or leave out"):
        run("vae", "vae", world, tmp_path / "run", f"data.pairs=[{table}]", strict=True)


def test_no_clip_can_be_read(world: Path, tmp_path: Path) -> None:
    table = clips_in(tmp_path / "clips")
    for i in range(6):
        (tmp_path / f"clips/audio/clip-{i}.wav").write_bytes(b"RIFF")
    with pytest.raises(
        ReaudioError, match=r"None of the 6 training clips has audio that can be read \(clip-0, clip-1, clip-2, "
    ):
        run("vae", "vae", world, tmp_path / "run", f"data.pairs=[{table}]")


def test_messages_name_settings_of_the_training(world: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("audiocap_id,youtube_id,start_time,caption\n1,a,30,rain\n")
    with pytest.raises(ReaudioError, match=r"name the folder of its clips with data\.audio_root"):
        run("vae", "vae", world, tmp_path / "run", f"data.pairs=[{tmp_path / 't.csv'}]")
    (tmp_path / "g.csv").write_text("clip_id,caption,audio\na,rain,a.wav\n")
    with pytest.raises(ReaudioError, match=r"the first would be .*a\.wav: name their folder with data\.audio_root"):
        run("vae", "vae", world, tmp_path / "run", f"data.pairs=[{tmp_path / 'g.csv'}]")
    with pytest.raises(ReaudioError, match=r"pairs\.csv lacks the column 'labels'"):
        run("tagger", "tagger", world, tmp_path / "run")
