"""``reaudio-eval generate``: folders, resumption, several seeds and systems, refused requests."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import public_checkpoints as checkpoints
import pytest
from typer.testing import CliRunner

import reaudio_eval
from reaudio_eval.cli.app import app
from reaudio_model.common.errors import ReaudioError

runner = CliRunner()


def arguments(world: Path, sounds: Path, *more: str) -> list[str]:
    return [
        "generate", "--dataset", "folder", "--data-root", str(sounds), "--limit", "3", "-o", str(world / "clips"),
        "--cache-dir", str(world / "cache"), *more,
    ]  # fmt: skip


def run(world: Path, sounds: Path, *more: str) -> dict[str, Any]:
    result = runner.invoke(app, arguments(world, sounds, "--json", *more))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def tango(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    checkpoints.make_small(monkeypatch)
    return ("--model", "tango", "--weights", f"tango={checkpoints.write_tango(tmp_path / 'tango')}")


def test_a_folder_for_each_system_and_the_command_that_scores_them(
    world: Path, sounds: Path, tango: tuple[str, ...]
) -> None:
    found = run(world, sounds, *tango, "--model", "noise")
    assert list(found["systems"]) == ["tango", "noise"]
    folder = world / "clips" / "tango"
    assert found["systems"]["tango"]["folder"] == str(folder)
    assert found["systems"]["tango"]["n_clips"] == found["n_prompts"] == 3
    assert found["systems"]["tango"]["sampling"]["steps"] == checkpoints.STEPS
    assert len(list(folder.glob("*.wav"))) == 3
    words = shlex.split(found["next"])
    assert words[:2] == ["reaudio-eval", "longtail"]
    assert words[words.index("--dataset") + 1] == "folder"
    assert f"tango={folder}" in words


@pytest.mark.slow
def test_a_repeated_command_keeps_the_clips_and_other_settings_are_refused(
    world: Path, sounds: Path, tango: tuple[str, ...]
) -> None:
    run(world, sounds, *tango)
    clip = next((world / "clips" / "tango").glob("*.wav"))
    before = (clip.stat().st_mtime_ns, clip.read_bytes())
    run(world, sounds, *tango)
    assert (clip.stat().st_mtime_ns, clip.read_bytes()) == before
    refused = runner.invoke(app, arguments(world, sounds, *tango, "--steps", "2"))
    assert refused.exit_code == 2
    message = " ".join(refused.stderr.split())
    assert (
        "records clips that were generated differently (not the same: settings): choose another --output, or --overwrite"
        in message
    )
    assert clip.read_bytes() == before[1]
    run(world, sounds, *tango, "--steps", "2", "--overwrite")
    assert clip.read_bytes() != before[1]


@pytest.mark.slow
def test_several_seeds_lie_in_folders_of_their_own(world: Path, sounds: Path, tango: tuple[str, ...]) -> None:
    found = run(world, sounds, *tango, "--seeds", "2", "--seed", "4")
    folder = world / "clips" / "tango"
    assert found["systems"]["tango"]["seeds"] == [4, 5]
    assert {path.name: len(list(path.glob("*.wav"))) for path in folder.iterdir()} == {"seed4": 3, "seed5": 3}


@pytest.mark.slow
def test_a_program_beside_a_model(world: Path, sounds: Path, tango: tuple[str, ...]) -> None:
    source = sorted((sounds / "good").glob("*.wav"))[0]
    copy = f"shutil.copy({str(source)!r}, sys.argv[2] + '/' + row['clip_id'] + '.wav')"
    script = f"import csv, shutil, sys\nfor row in csv.DictReader(open(sys.argv[1])): {copy}"
    command = f"{sys.executable} -c {shlex.quote(script)} {{prompts}} {{out}}"
    found = run(world, sounds, *tango, "--external", f"Mine={command}")
    assert list(found["systems"]) == ["tango", "Mine"]
    assert len(list((world / "clips" / "Mine").glob("*.wav"))) == 3


COPY = """
import csv, shutil, sys
for row in csv.DictReader(open(sys.argv[1])):
    shutil.copy(sys.argv[3], f"{sys.argv[2]}/{row['clip_id']}.wav")
"""


def test_a_program_that_fails_is_reported_and_the_others_finish(world: Path, sounds: Path) -> None:
    source = sorted((sounds / "good").glob("*.wav"))[0]
    good = f"{sys.executable} -c {shlex.quote(COPY)} {{prompts}} {{out}} {shlex.quote(str(source))}"
    bad = ("--external", "Bad=false {prompts} {out}")
    found = run(world, sounds, *bad, "--external", f"Good={good}")
    assert list(found["systems"]) == ["Good"]
    assert ["Bad failed and is left out" in alert["message"] for alert in found["alerts"]] == [True]
    alone = runner.invoke(app, arguments(world, sounds, *bad))
    assert alone.exit_code == 2
    assert "false failed with exit code 1" in " ".join(alone.stderr.split())


def test_a_model_that_fails_does_not_stop_a_program(
    world: Path, sounds: Path, tango: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "tango" / "pytorch_model_vae.bin").write_bytes(b"PK")
    source = sorted((sounds / "good").glob("*.wav"))[0]
    copy = f"shutil.copy({str(source)!r}, sys.argv[2] + '/' + row['clip_id'] + '.wav')"
    script = f"import csv, shutil, sys\nfor row in csv.DictReader(open(sys.argv[1])): {copy}"
    command = f"{sys.executable} -c {shlex.quote(script)} {{prompts}} {{out}}"
    found = run(world, sounds, *tango, "--external", f"Mine={command}")
    assert list(found["systems"]) == ["Mine"]
    assert found["alerts"][0]["message"].startswith("tango failed and is left out: ")


def test_dry_run_makes_nothing(world: Path, sounds: Path, tango: tuple[str, ...]) -> None:
    found = run(world, sounds, *tango, "--external", "X=make {prompts} {out}", "--dry-run")
    assert found["models"] == ["tango"]
    assert found["external"] == {"X": ["make", "{prompts}", "{out}"]}
    assert found["dataset"]["n_prompts"] == 3
    assert not (world / "clips").exists()


def test_as_a_function(world: Path, sounds: Path) -> None:
    found = reaudio_eval.generate(models="noise", dataset="folder", data_root=sounds, limit=2, output=world / "made")
    assert list(found.tables["clips"].columns) == ["system", "seed", "clip_id", "file"]
    assert len(found.tables["clips"]) == 2
    assert "2 clips of 2 prompts" in found.to_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "No system to make clips with: give --model NAME"),
        (("--model", "clips"), "The model clips reads a folder and makes nothing"),
        (("--model", "audioldm2"), "The weights of audioldm2 are not on this machine"),
        (("--model", "re-audioldm-l"), "There are no public weights of re-audioldm-l for folder"),
        (("--external", "X=make {out}"), "--external needs {prompts}"),
        (("--external", "make {prompts} {out}"), "must have the form"),
        (("--external", "X=make {prompts} {out}", "--steps", "3"), "--steps has no effect: no --model generates"),
        (("--model", "noise", "--steps", "3"), "--steps has no effect: noise does not use it"),
        (("--model", "noise", "--external", "NOISE=make {prompts} {out}"), "Two systems are called 'NOISE'"),
        (("--model", "noise", "--weights", "tango=x"), "--weights names 'tango', which is no --model of this command"),
    ],
)
def test_refused(world: Path, sounds: Path, more: tuple[str, ...], message: str) -> None:
    result = runner.invoke(app, arguments(world, sounds, *more))
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())


@pytest.mark.slow
def test_the_miniature_generates_with_its_bundled_weights(world: Path) -> None:
    found = reaudio_eval.generate(models="re-audioldm-s", limit=2, steps=2, output=world / "made", cache_dir=world / "cache")
    (system,) = found.systems
    assert {path.parent for path in system.clips[0].values()} == {world / "made" / "re-audioldm-s"}
    assert (world / "made" / "re-audioldm-s" / "retrieved.parquet").is_file()
    with pytest.raises(ReaudioError, match="choose another --output"):
        reaudio_eval.generate(models="re-audioldm-s", limit=2, steps=3, output=world / "made", cache_dir=world / "cache")
