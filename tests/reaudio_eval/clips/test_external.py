"""Clips of a program of the user's."""

from __future__ import annotations

import csv
import json
import shlex
import sys
from pathlib import Path

import pytest

from reaudio_eval.clips.external import external_clips
from reaudio_eval.prompts.dataset import Prompt
from reaudio_model.common.audio import decode
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.seeds import clip_seed

PROMPTS = (Prompt("a", "a dog, loud"), Prompt("b", 'say "hello"'), Prompt("c", "Vögel"))
PROGRAM = """
import csv, sys, wave
prompts, out, *more = sys.argv[1:]
for row in csv.DictReader(open(prompts, encoding="utf-8")):
    if row["clip_id"] in more:
        continue
    with wave.open(f"{out}/{row['clip_id']}.wav", "wb") as file:
        file.setnchannels(1); file.setsampwidth(2); file.setframerate(8000)
        file.writeframes((int(row["seed"]) % 20000 + len(row["caption"])).to_bytes(2, "little") * 800)
print("done")
sys.exit(3 if "fail" in more else 0)
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "my program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))} {{prompts}} {{out}}"


def test_every_prompt_gets_a_clip(program: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    clips = external_clips(program, PROMPTS, output, seed=5)
    assert {name: path.name for name, path in clips.items()} == {"a": "a.wav", "b": "b.wav", "c": "c.wav"}
    with (output / "prompts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["clip_id"], row["caption"], int(row["seed"])) for row in rows] == [
        (p.clip_id, p.caption, clip_seed(5, p.clip_id)) for p in PROMPTS
    ]
    record = json.loads((output / "generation.json").read_text(encoding="utf-8"))
    assert record["external"][2:] == ["{prompts}", "{out}"]
    assert [clip["clip_id"] for clip in record["clips"]] == ["a", "b", "c"]


def test_only_what_is_missing_is_asked_for_again(program: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pytest.raises(ReaudioError, match=r"1 of 3 clips are missing: b.*repeat the command to make these alone"):
        external_clips(f"{program} b", PROMPTS, output)
    before = (output / "a.wav").stat().st_mtime_ns
    (output / "c.wav").write_bytes(b"RIFF")  # cut off
    with pytest.raises(ReaudioError, match=r"not the same: command.*--overwrite"):
        external_clips(program, PROMPTS, output)
    with pytest.raises(ReaudioError, match="1 of 3 clips are missing: b"):
        external_clips(f"{program} b", PROMPTS, output)
    with (output / "prompts.csv").open(encoding="utf-8") as file:
        assert [row["clip_id"] for row in csv.DictReader(file)] == ["b", "c"]
    assert (output / "a.wav").stat().st_mtime_ns == before
    assert len(decode(output / "c.wav").samples) == 800


def test_overwrite_makes_all_anew(program: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = external_clips(program, PROMPTS, output)["a"].read_bytes()
    with pytest.raises(ReaudioError, match="not the same: seed"):
        external_clips(program, PROMPTS, output, seed=1)
    assert external_clips(program, PROMPTS, output, seed=1, overwrite=True)["a"].read_bytes() != first


def test_a_program_that_fails_keeps_its_clips(program: str, tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="failed with exit code 3: see its messages above"):
        external_clips(f"{program} fail", PROMPTS, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.wav"))) == 3


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("python make.py {prompts}", r"--external needs \{out\}"),
        ("", r"--external needs \{prompts\} and \{out\}"),
        ("python 'make.py {prompts} {out}", r"cannot be read \(No closing quotation\)"),
        ("no-such-program {prompts} {out}", r"no-such-program cannot be started \(No such file or directory\)"),
    ],
)
def test_commands_that_cannot_be_run(command: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=message):
        external_clips(command, PROMPTS, tmp_path / "out")


def test_no_shell_reads_the_command(program: str, tmp_path: Path) -> None:
    external_clips(f"{program} ';' touch {shlex.quote(str(tmp_path / 'touched'))}", PROMPTS, tmp_path / "out")
    assert not (tmp_path / "touched").exists()


def test_a_clip_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    script = "import sys; open(sys.argv[2] + '/a.wav', 'wb').write(b'no audio')"
    with pytest.raises(ReaudioError, match="2 of 3 clips are missing: b, c; 1 of 3 clips are unreadable: a"):
        external_clips(f"{sys.executable} -c {shlex.quote(script)} {{prompts}} {{out}}", PROMPTS, tmp_path / "out")
