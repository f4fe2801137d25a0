"""Clips of a program of the user's."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reaudio_eval.clips import external
from reaudio_eval.clips.external import external_clips
from reaudio_eval.prompts.dataset import Prompt
from reaudio_model.common.audio import decode
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter
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


def test_clips_without_a_record_are_refused(program: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    external_clips(program, PROMPTS, output)
    (output / "generation.json").unlink()
    before = (output / "a.wav").stat().st_mtime_ns
    with pytest.raises(ReaudioError, match=r"a\.wav has no record of how it was made: choose another --output, or --overwr"):
        external_clips(program, PROMPTS, output)
    assert (output / "a.wav").stat().st_mtime_ns == before
    external_clips(program, PROMPTS, output, overwrite=True)
    assert (output / "a.wav").stat().st_mtime_ns > before


def test_a_clip_that_was_changed_or_cut_is_made_again(program: str, tmp_path: Path) -> None:
    output, notes = tmp_path / "out", []
    reporter = Reporter(quiet=True)
    reporter.note = notes.append  # type: ignore[method-assign]
    clips = external_clips(program, PROMPTS, output)
    whole = {clip_id: path.read_bytes() for clip_id, path in clips.items()}
    clips["a"].write_bytes(whole["a"][:-2] + b"\0\1")
    clips["b"].write_bytes(whole["b"][:500])  # still decoded
    external_clips(program, PROMPTS, output, reporter=reporter)
    assert {clip_id: path.read_bytes() for clip_id, path in clips.items()} == whole
    assert "Made again, because they are no longer the files that were made: a.wav, b.wav." in notes


def test_of_a_program_that_was_interrupted_whole_clips_are_kept(program: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pytest.raises(ReaudioError, match="failed with exit code 3"):
        external_clips(f"{program} fail", PROMPTS, output)
    cut = output / "b.wav"
    cut.write_bytes(cut.read_bytes()[:500])
    with pytest.raises(ReaudioError, match="failed with exit code 3"):
        external_clips(f"{program} fail", PROMPTS, output)
    with (output / "prompts.csv").open(encoding="utf-8") as file:
        assert [row["clip_id"] for row in csv.DictReader(file)] == ["b"]


def test_a_folder_in_the_place_of_a_clip_is_refused(program: str, tmp_path: Path) -> None:
    (tmp_path / "out" / "a.wav").mkdir(parents=True)
    with pytest.raises(ReaudioError, match=r"a\.wav is a folder in the place of a clip: remove it"):
        external_clips(program, PROMPTS, tmp_path / "out", overwrite=True)


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except FileNotFoundError:
        return False


def test_an_interrupted_program_that_ignores_it_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "GRACE", 0.2)
    script = 'trap \'\' TERM; sleep 300 & echo $! > "$2/child"; echo $$ > "$2/parent"; while true; do sleep 0.1; done'
    file = tmp_path / "out" / "parent"
    wait = subprocess.Popen.wait

    def interrupted(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if timeout is None and process.returncode is None and not interrupts:
            while not (file.is_file() and file.read_text(encoding="utf-8").strip()):
                time.sleep(0.02)
            interrupts.append(1)
            raise KeyboardInterrupt
        return wait(process, timeout)

    interrupts: list[int] = []
    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        external_clips(f"sh -c {shlex.quote(script)} sh {{prompts}} {{out}}", PROMPTS, tmp_path / "out")
    pids = [int((tmp_path / "out" / name).read_text(encoding="utf-8")) for name in ("parent", "child")]
    deadline = time.monotonic() + 5
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, pids))
