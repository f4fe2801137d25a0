"""Run directories: altered files are refused by name, damaged runs are scored anew, older ones are read as unverified."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from run_folders import as_version_1, make_dataset, reseal, write

from reaudio_eval.runs.directory import read_run, verify_run
from reaudio_eval.runs.find import RunSet
from reaudio_eval.runs.manifest import MANIFEST, UNVERIFIED, DamagedRunError
from reaudio_model.common.errors import ReaudioError

REMEDY = "repeat the command that scored it, which makes it anew, or remove the folder"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("runs"), "a", 0.4, dataset=make_dataset(24))


@pytest.fixture
def run(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "runs" / "folder" / "a" / written.name))


def test_every_file_has_its_digest(run: Path) -> None:
    manifest = json.loads((run / MANIFEST).read_bytes())
    assert set(manifest["files"]) | {MANIFEST} == {p.name for p in run.iterdir()}
    assert verify_run(run) == []
    assert read_run(run).verified
    (run / "my notes.txt").write_text("mine")  # not part of the run
    assert verify_run(run) == []


def dropped(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.iloc[:-20]


def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows.iloc[:20]])


def huge(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(value=1e300)


@pytest.mark.parametrize("change", [dropped, doubled, huge])
@pytest.mark.parametrize("name", ["scores.parquet", "set_values.parquet"])
def test_altered_rows_are_refused_by_name(run: Path, change: Any, name: str) -> None:
    change(pd.read_parquet(run / name)).to_parquet(run / name, index=False)
    with pytest.raises(DamagedRunError, match=rf"{run} is damaged \({name} was altered or lost\): {REMEDY}\.$"):
        read_run(run)
    assert verify_run(run)[0].startswith("The run ")


@pytest.mark.parametrize(
    "name", sorted({"prompts.parquet", "metrics.json", "audit.json", "clips.parquet", "labels.parquet"})
)
def test_a_flipped_bit_is_refused(run: Path, name: str) -> None:
    data = bytearray((run / name).read_bytes())
    data[len(data) // 2] ^= 1
    (run / name).write_bytes(data)
    with pytest.raises(DamagedRunError, match=name):
        read_run(run)


def test_an_altered_manifest_is_refused(run: Path) -> None:
    manifest = json.loads((run / MANIFEST).read_bytes())
    for changed in (manifest | {"seed": 1}, {k: v for k, v in manifest.items() if k != "files"}):
        (run / MANIFEST).write_text(json.dumps(changed))
        with pytest.raises(DamagedRunError, match=r"manifest\.json was altered"):
            read_run(run)
    (run / MANIFEST).write_text(json.dumps(manifest, indent=None))  # the same content
    assert read_run(run).verified


HOSTILE = {
    "null": "null",
    "deep": "[" * 100_000,
    "text": "hello",
    "nan": '{"schema_version": 2, "seed": NaN}',
    "another tool's": '{"version": 3}',
    "binary": "\x00\x01",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_odd_manifests_are_one_sentence(run: Path, content: str) -> None:
    (run / MANIFEST).write_text(content)
    with pytest.raises(ReaudioError) as caught:
        read_run(run)
    assert str(run) in str(caught.value)
    assert str(caught.value).count("\n") == 0
    assert REMEDY in str(caught.value) or "score it again" in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"sampling": 5}, {"seed": "0"}, {"seed": -1}, {"seed": True}, {"created": 5}, {"metrics": [1]}, {"metrics": None},
        {"strata": [{"name": "head"}]}, {"system": []}, {"dataset": "audiocaps"}, {"undefined": {"kl": 1}}, {"protocol": 1},
        {"packages": 3}, {"sampling": {"steps": "many"}}, {"retrieval": []}, {"selection": 3},
    ],
    ids=str,
)  # fmt: skip
def test_entries_of_another_type_are_refused(run: Path, changes: dict[str, Any]) -> None:
    reseal(run, json.loads((run / MANIFEST).read_bytes()) | changes)
    with pytest.raises(DamagedRunError, match=next(iter(changes)) + r"|something else where text"):
        read_run(run)


def null(path: Path) -> None:
    path.write_text("null")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def no_columns(path: Path) -> None:
    pd.DataFrame({"x": [1]}).to_parquet(path)


def numbers(path: Path) -> None:
    frame = pd.read_parquet(path)
    frame.assign(**dict.fromkeys(frame.columns, 1)).to_parquet(path)


@pytest.mark.parametrize("change", [null, folder, pipe, no_columns, numbers])
@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("name", ["scores.parquet", "prompts.parquet", "audit.json"])
def test_files_of_another_kind_are_one_sentence(run: Path, change: Any, old: bool, name: str) -> None:
    if old:
        as_version_1(run)
    if name.endswith("json") and change in (no_columns, numbers):
        (run / name).write_text('{"a": {"n": NaN}}')
    else:
        change(run / name)
    with pytest.raises(DamagedRunError, match=rf"{name}.*{REMEDY}"):
        read_run(run)


@pytest.mark.parametrize("change", [doubled, huge])
def test_what_can_be_seen_without_digests_is_refused(run: Path, change: Any) -> None:
    as_version_1(run)
    change(pd.read_parquet(run / "scores.parquet")).to_parquet(run / "scores.parquet", index=False)
    if change is huge:  # no range is known for these metrics
        assert read_run(run).manifest[UNVERIFIED]
        manifest = json.loads((run / MANIFEST).read_bytes())
        for metric in manifest["metrics"]:
            metric["range"] = [-1.0, 1.0]
        (run / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(DamagedRunError, match=r"twice|outside its range"):
        read_run(run)


def test_a_run_without_a_role_has_that_of_its_name(run: Path) -> None:
    manifest = json.loads((run / MANIFEST).read_bytes())
    for name, role in (("copy-retrieved", "copy"), ("oracle-l (not a system)", "oracle"), ("mine", "system")):
        manifest["system"] = {key: value for key, value in manifest["system"].items() if key != "role"} | {"name": name}
        reseal(run, manifest)
        assert read_run(run).scores.system.role == role
    manifest["system"]["role"] = "control"
    reseal(run, manifest)
    assert read_run(run).scores.system.role == "control"
    manifest["system"]["role"] = "king"
    reseal(run, manifest)
    with pytest.raises(DamagedRunError, match="Unknown role of a system 'king'"):
        read_run(run)


def test_a_run_without_digests_is_read_and_said_to_be_unverified(run: Path) -> None:
    as_version_1(run)
    found = read_run(run)
    assert not found.verified
    assert found.manifest[UNVERIFIED] == "written by a version that stored no checksums"
    assert verify_run(run) == [f"The run {run} cannot be verified: it was written by a version that stored no checksums."]


def test_manifests_of_other_tools_beside_runs_are_passed_over(tmp_path: Path, run: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / MANIFEST).write_text('{"schema_version": 1, "files": {}}')
    assert [found.path for found in RunSet.read([tmp_path]).runs] == [run]
    (run / "scores.parquet").unlink()
    with pytest.raises(DamagedRunError, match=r"scores\.parquet was altered or lost"):
        RunSet.read([tmp_path])


def test_a_disk_that_is_full_at_any_write_leaves_a_run_that_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write(tmp_path / "whole", "a", 0.4)
    before = {p.name: p.read_bytes() for p in whole.iterdir()}
    replace, n_writes = Path.replace, len(before)
    for number in range(n_writes):
        left = [number]

        def full(self: Path, target: Path, left: list[int] = left) -> Path:
            if left[0] == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            left[0] -= 1
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(ReaudioError, match="the disk is full; free some space and repeat the command"):
            write(tmp_path / "other", "a", 0.4)
        monkeypatch.setattr(Path, "replace", replace)
        path = tmp_path / "other" / whole.relative_to(tmp_path / "whole")
        assert not (path / MANIFEST).exists()
        assert not [p for p in path.iterdir() if p.name.startswith(".tmp-")]
        assert write(tmp_path / "other", "a", 0.4) == path
        assert {p.name: p.read_bytes() for p in path.iterdir()} == before


@pytest.mark.parametrize("earlier", [False, True])
def test_clips_of_prompts_that_were_left_out_are_not_part_of_a_run(tmp_path: Path, earlier: bool) -> None:
    """Noise has a clip of every prompt, although only those that all systems have are scored; its run was refused as damaged."""
    dataset = make_dataset(24)
    audio = {p.clip_id: tmp_path / f"{p.clip_id}.wav" for p in dataset.prompts}
    run = write(tmp_path, "noise", 0.4, dataset=dataset, clips=audio | {"left out": tmp_path / "left out.wav"})
    clips = pd.read_parquet(run / "clips.parquet")
    assert set(clips["clip_id"]) == set(audio)
    if earlier:  # runs written before list every clip of the system
        more = pd.DataFrame({"clip_id": ["left out"], "path": ["left out.wav"]})
        pd.concat([clips, more]).to_parquet(run / "clips.parquet", index=False)
        reseal(run, json.loads((run / MANIFEST).read_bytes()))
    found = read_run(run).scores.system
    assert (found.n_clips, set(found.clips)) == (24, set(audio))


def test_writing_a_run_leaves_no_lock(run: Path) -> None:
    assert [p.name for p in run.parent.iterdir()] == [run.name]
