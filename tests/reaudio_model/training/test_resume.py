"""Resuming a training from a configuration: what is the same, what may change, and what is refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from notes import Notes
from tiny_model import RATE, tone
from training_worlds import clips_in, reset_accelerator, run, training_world

from reaudio_model.common.audio import wav_bytes
from reaudio_model.common.errors import ReaudioError
from reaudio_model.pipeline.assemble import INDEX_FILE
from reaudio_model.training.log import read_metrics

STEPS = ["loop.steps=4", "loop.checkpoint_every=1"]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A table of six clips that a test may change."""
    return clips_in(tmp_path / "clips")


def replace_audio(table: Path) -> None:
    for i in range(6):
        (table.parent / f"audio/clip-{i}.wav").write_bytes(wav_bytes(tone(50 + i), RATE))


def replace_captions(table: Path) -> None:
    lines = table.read_text().splitlines()
    swapped = [line.split(",")[1] for line in lines[:0:-1]]
    rows = [line.split(",") for line in lines[1:]]
    table.write_text(
        "\n".join([lines[0], *(",".join([r[0], c, *r[2:]]) for r, c in zip(rows, swapped, strict=True))]) + "\n"
    )


def trained(world: Path, output: Path, table: Path, cache: Path) -> tuple[bytes, list[dict[str, float]]]:
    """Weights and log of a denoiser's run."""
    run("diffusion", "tiny", world, output, f"data.pairs=[{table}]", f"data.cache={cache}")
    reset_accelerator()
    return (output / "unet/diffusion_pytorch_model.safetensors").read_bytes(), read_metrics(output / "train.csv")


@pytest.mark.slow
@pytest.mark.parametrize("change", [replace_audio, pytest.param(replace_captions, marks=pytest.mark.slow)])
def test_a_cache_belongs_to_the_content_of_the_clips(world: Path, clips: Path, tmp_path: Path, change: object) -> None:
    """All audio, or all captions, replaced under the same ids: the weights are those that an empty cache gives."""
    first = trained(world, tmp_path / "a", clips, tmp_path / "cache")
    change(clips)  # type: ignore[operator]
    reused = trained(world, tmp_path / "b", clips, tmp_path / "cache")
    assert reused == trained(world, tmp_path / "c", clips, tmp_path / "empty")
    assert reused != first


def test_a_run_resumes_with_its_own_clips_only(world: Path, clips: Path, tmp_path: Path) -> None:
    def start(*more: str, **options: bool) -> int:
        try:
            table = f"data.pairs=[{clips}]"
            return run("vae", "vae", world, tmp_path / "run", table, "discriminator_width=4", *more, **options).step
        finally:
            reset_accelerator()

    assert start("loop.steps=1") == 1
    whole = clips.read_text()
    clips.write_text("\n".join(whole.splitlines()[:3]) + "\n")
    with pytest.raises(ReaudioError, match=r"4 training clips are missing \(clip-2, clip-3, clip-4, \.\.\.\)\): resume it"):
        start(resume=True)
    clips.write_text(whole.replace("a dog barks in the rain", "birds sings"))
    with pytest.raises(ReaudioError, match=r"other data \(1 training clips have another content \(clip-0\)\)"):
        start(resume=True)
    clips.write_text("\n".join(whole.splitlines()[i] for i in (0, 2, 1, 3, 4, 5, 6)) + "\n")
    with pytest.raises(ReaudioError, match="the training clips are in another order"):
        start(resume=True)
    clips.write_text(whole)
    sound = (clips.parent / "audio/clip-3.wav").read_bytes()
    (clips.parent / "audio/clip-3.wav").write_bytes(wav_bytes(tone(77), RATE))
    with pytest.raises(ReaudioError, match=r"1 training clips have another content \(clip-3\)"):
        start(resume=True)
    (clips.parent / "audio/clip-3.wav").write_bytes(sound)
    assert start(resume=True) == 2
    moved = shutil.move(clips.parent, tmp_path / "moved")
    assert run(
        "vae", "vae", world, tmp_path / "run", f"data.pairs=[{moved}/pairs.csv]", "discriminator_width=4",
        "loop.steps=3", resume=True,
    ).step == 3  # fmt: skip


@pytest.mark.slow
def test_frozen_networks_belong_to_the_run(world: Path, tmp_path: Path) -> None:
    run("diffusion", "tiny", world, tmp_path / "run", *STEPS, steps=2)
    reset_accelerator()
    other = training_world(tmp_path / "other")
    shutil.rmtree(other / "vae")
    import torch

    from reaudio_model.codec.codec import build_vae
    from reaudio_model.config import TINY_CODEC

    torch.manual_seed(9)
    build_vae(TINY_CODEC).save_pretrained(other / "vae")
    with pytest.raises(ReaudioError, match=r"other data \(1 networks have another content \(vae\)\)"):
        run("diffusion", "tiny", world, tmp_path / "run", *STEPS, f"parts.vae={other / 'vae'}", resume=True)
    reset_accelerator()
    same = f"parts.vae={shutil.copytree(world / 'vae', tmp_path / 'same')}"  # elsewhere, with the same weights
    assert run("diffusion", "tiny", world, tmp_path / "run", *STEPS, same, resume=True).step == 4


def test_what_may_change_is_recorded(world: Path, tmp_path: Path) -> None:
    run("t5", "t5", world, tmp_path, *STEPS, steps=2)
    reset_accelerator()
    changes = ("loop.learning_rate=0.001", "loop.warmup=3")
    assert run("t5", "t5", world, tmp_path, *STEPS, *changes, resume=True).step == 4
    rates = [row["learning_rate"] for row in read_metrics(tmp_path / "train.csv")]
    assert rates[2:] == pytest.approx([0.001, 0.001])
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    (entry,) = manifest["history"]
    assert entry["step"] == 2
    assert set(entry["changed"]) == {"loop.learning_rate", "loop.warmup", "loop.steps"}
    assert entry["changed"]["loop.steps"] == [2, 4]
    assert entry["changed"]["loop.learning_rate"][1] == 0.001
    assert (manifest["device"], manifest["processes"]) == ("cpu", 1)


def test_another_number_of_processes_is_refused(world: Path, tmp_path: Path) -> None:
    run("t5", "t5", world, tmp_path, *STEPS, steps=2)
    reset_accelerator()
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"processes": 2}))
    with pytest.raises(ReaudioError, match=r"run with 2 training processes; with 1 it would .* --num_processes 2"):
        run("t5", "t5", world, tmp_path, *STEPS, resume=True)
    assert json.loads((tmp_path / "manifest.json").read_bytes())["processes"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"null", b"{", b"[" * 99_999, b'{"config": 3}', b"\xff"])
def test_a_damaged_manifest_and_its_remedy(world: Path, tmp_path: Path, content: bytes) -> None:
    run("t5", "t5", world, tmp_path, steps=1)
    reset_accelerator()
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ReaudioError, match=r"manifest\.json .*: remove it if the folder holds no run of value"):
        run("t5", "t5", world, tmp_path, resume=True)
    reset_accelerator()
    (tmp_path / "manifest.json").unlink()
    assert run("t5", "t5", world, tmp_path, resume=True).step == 2


@pytest.mark.slow
def test_a_vocoder_forgotten_until_the_end_gives_the_pipeline_without_training_again(world: Path, tmp_path: Path) -> None:
    said = Notes()
    assert run("diffusion", "tiny", world, tmp_path, "parts.vocoder=null", reporter=said).finished
    assert any("parts.vocoder is not given: the run ends with unet/ and without pipeline/" in line for line in said.lines)
    assert any("6 training clips, 2 steps of 2 clips, 1 process on cpu" in line for line in said.lines)
    assert not (tmp_path / "pipeline").exists()
    reset_accelerator()
    log, weights = (tmp_path / "train.csv").read_bytes(), tmp_path / "unet/diffusion_pytorch_model.safetensors"
    before = weights.read_bytes()
    assert run("diffusion", "tiny", world, tmp_path, resume=True).step == 2
    assert (tmp_path / "pipeline" / INDEX_FILE).is_file()
    assert (weights.read_bytes(), (tmp_path / "train.csv").read_bytes()) == (before, log)


def test_a_run_is_not_overwritten_without_resume(world: Path, tmp_path: Path) -> None:
    run("t5", "t5", world, tmp_path)
    reset_accelerator()
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(ReaudioError, match="contains a training run: continue it with --resume"):
        run("t5", "t5", world, tmp_path, "loop.learning_rate=1.0")
    assert (tmp_path / "manifest.json").read_bytes() == before
