"""``reaudio-eval score`` end to end with a cheap embedder: results, bad input, odd clips."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fakes import SAMPLE_RATE, tone, write_clips, write_pair
from score_command import arguments, refuse, runner, score, snapshot

from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.folders.request import ScoreRequest
from reaudio_eval.evaluations.folders.run import plan
from reaudio_eval.evaluations.options import FolderPair
from reaudio_model.common.progress import Reporter

BATCH_TOLERANCE = 1e-5  # relative; the contract for another batch size


def test_json_has_every_metric_with_interval_and_audit(world: Path) -> None:
    found = score(world)
    assert found["protocol"] == "audioldm-eval-2023-06"
    assert found["n_clips"] == 12
    assert {"fd_bands", "kad_bands", "kl_bands", "kl_sigmoid_bands", "is_bands"} <= set(found["metrics"])
    for name in ("fd_bands", "kad_bands", "kl_bands"):
        metric = found["metrics"][name]
        assert metric["ci_low"] < metric["value"] < metric["ci_high"], name
        assert metric["embedder_sha256"]
    assert found["audit"]["generated"]["n_ok"] == 12


def test_identical_folders_have_zero_divergence(world: Path) -> None:
    result = runner.invoke(
        app, [*arguments(world)[:1], *[str(world / "reference")] * 2, *arguments(world)[3:], "--json", "--quiet"]
    )
    metrics = json.loads(result.stdout)["metrics"]
    assert metrics["fd_bands"]["value"] == pytest.approx(0, abs=1e-9)
    assert metrics["kl_bands"]["value"] == pytest.approx(0, abs=1e-3)  # the epsilon inside the log leaves a little


def test_text_output_lists_metrics_and_direction(world: Path) -> None:
    result = runner.invoke(app, arguments(world, "--quiet"))
    assert "12 clips, protocol audioldm-eval-2023-06" in result.stdout
    assert "fd_bands" in result.stdout
    assert "lower is better" in result.stdout


def test_stdout_is_only_json(world: Path) -> None:
    result = runner.invoke(app, arguments(world, "--json"))
    json.loads(result.stdout)


def test_a_metric_without_checkpoint_is_null_with_a_reason(world: Path) -> None:
    found = score(world, "--embedder", "panns")["metrics"]["kl_panns"]
    assert found["value"] is None
    assert "--checkpoint panns=" in found["reason"]


def test_default_metric_names_are_those_of_the_field(world: Path) -> None:
    names = score(world, "--embedder", "vggish", "--embedder", "panns", "--embedder", "clap")["metrics"]
    wanted = {
        "fad_vggish",
        "fd_panns",
        "kl_panns",
        "kl_sigmoid_panns",
        "is_panns",
        "clap_score",
        "kad_panns",
    }
    assert wanted <= set(names)


def test_require_makes_a_missing_metric_an_error(world: Path) -> None:
    assert "--require kl_panns: " in refuse(world, "--embedder", "panns", "--require", "kl_panns")
    assert "Unknown metric 'kl_bans'. Did you mean 'kl_bands'" in refuse(world, "--require", "kl_bans")


def test_metric_selects_names_and_families(world: Path) -> None:
    assert set(score(world, "--metric", "kl_bands")["metrics"]) == {"kl_bands"}
    assert set(score(world, "--metric", "kl")["metrics"]) == {"kl_bands", "kl_sigmoid_bands"}
    assert "Unknown metric 'klx'" in refuse(world, "--metric", "klx")


def test_captions_are_read_for_text_metrics(world: Path) -> None:
    rows = "".join(f"c{i:02d},caption number {i}\n" for i in range(12))
    (world / "captions.csv").write_text("clip_id,caption\n" + rows, encoding="utf-8")
    assert score(world, "--captions", str(world / "captions.csv"))["n_clips"] == 12


def test_protocol_changes_the_numbers(world: Path) -> None:
    stereo = {f"c{i:02d}": np.stack([tone(300 + 50 * i, 0.5), tone(900, 0.5)], axis=1) for i in range(12)}
    write_clips(world / "generated", stereo)
    first = score(world)["metrics"]["fd_bands"]["value"]
    other = score(world, "--protocol", "fadtk")["metrics"]["fd_bands"]["value"]
    assert first != pytest.approx(other, rel=1e-3)
    assert "Unknown protocol 'fadtkk'. Did you mean 'fadtk'" in refuse(world, "--protocol", "fadtkk")


def test_limit_takes_the_first_names_in_both(world: Path) -> None:
    assert score(world, "--limit", "5")["n_clips"] == 5
    assert "--limit must be 1 or more" in refuse(world, "--limit", "0")


def test_dry_run_says_what_and_writes_nothing(world: Path) -> None:
    before = snapshot(world)
    result = runner.invoke(app, arguments(world, "--dry-run"))
    plan = json.loads(result.stdout)
    assert plan["n_names_in_both"] == 12
    assert plan["metrics"]["fd_bands"] == "will be computed"
    assert snapshot(world) == before


def test_the_users_folders_are_never_written_to(world: Path) -> None:
    before = snapshot(world / "generated") | snapshot(world / "reference")
    score(world)
    assert snapshot(world / "generated") | snapshot(world / "reference") == before


def test_batch_size_jobs_and_seed(world: Path) -> None:
    write_pair(world, n=25)  # more clips than jackknife groups, so that the seed decides who is in which
    first = score(world, "--batch-size", "1", "--jobs", "1")["metrics"]
    other = score(world, "--batch-size", "5", "--jobs", "3", "--cache-dir", str(world / "other"))["metrics"]
    defined = {name: metric for name, metric in first.items() if metric["value"] is not None}
    assert {name for name, metric in other.items() if metric["value"] is not None} == set(defined)
    for name, metric in defined.items():
        assert other[name]["value"] == pytest.approx(metric["value"], rel=BATCH_TOLERANCE), name
    seeded = score(world, "--seed", "1")["metrics"]["fd_bands"]
    assert seeded["value"] == first["fd_bands"]["value"]
    assert seeded["ci_high"] != first["fd_bands"]["ci_high"]


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--batch-size", "0", "--batch-size must be 1 or more"),
        ("--jobs", "0", "--jobs must be 1 to 256, not 0"),
        ("--seed", "-1", "--seed must be 0 to 9223372036854775807, not -1"),
        ("--embedder", "pans", "Did you mean 'panns'"),
        ("--checkpoint", "bands", "must have the form NAME=PATH"),
        ("--checkpoint", "bands=x", "names 'bands' twice"),
    ],
)
def test_bad_options(world: Path, flag: str, value: str, words: str) -> None:
    assert words in refuse(world, flag, value)


def test_bad_device(world: Path) -> None:
    assert "--device quantum is not a device: use cpu, cuda or cuda:N." in refuse(world, "--device", "quantum")


def test_missing_checkpoint_file(world: Path) -> None:
    result = runner.invoke(app, [*arguments(world)[:5], "--checkpoint", f"bands={world / 'nowhere.bin'}"])
    assert result.exit_code == 2
    assert "nowhere.bin" in result.stderr


@pytest.mark.parametrize(("content", "words"), [(None, "does not exist"), ([], "contains no audio files")])
def test_missing_or_empty_folder(world: Path, content: list[str] | None, words: str) -> None:
    folder = world / "bad"
    if content is not None:
        folder.mkdir()
    result = runner.invoke(app, ["score", str(folder), str(world / "reference"), "--embedder", "bands"])
    assert result.exit_code == 2
    assert words in result.stderr


def test_no_common_names_lists_both_sides(world: Path) -> None:
    write_clips(world / "foreign", {"x1": tone(300)})
    result = runner.invoke(app, ["score", str(world / "foreign"), str(world / "reference"), "--embedder", "bands"])
    assert result.exit_code == 2
    assert "no file name in common: 'x1.wav' against 'c00.wav'" in result.stderr


def test_two_files_with_one_stem(world: Path) -> None:
    write_clips(world / "generated", {"c03": tone(300)}, suffix=".flac")
    assert "c03.flac and c03.wav" in refuse(world)


def test_unreadable_clips_leave_both_sides_and_are_listed(world: Path) -> None:
    (world / "generated" / "c01.wav").write_bytes(b"not audio")
    (world / "generated" / "c02.wav").write_bytes(b"")
    soundfile.write(world / "reference" / "c03.wav", np.full(8000, np.nan, dtype=np.float32), SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(world / "generated" / "c04.wav", np.zeros(0, dtype=np.float32), SAMPLE_RATE)
    (world / "generated" / "c05.wav").unlink()
    found = score(world)
    assert found["n_clips"] == 7
    reasons = {c["clip_id"]: c["reason"] for c in found["audit"]["generated"]["clips"] if c["status"] != "ok"}
    assert set(reasons) == {"c01", "c02", "c04", "c05"}
    assert "cannot be decoded" in reasons["c01"]
    assert "No file" in reasons["c05"]
    assert ["c03 NaN" for c in found["audit"]["reference"]["clips"] if c["clip_id"] == "c03" and "NaN" in c["reason"]]
    message = refuse(world, "--strict")
    assert "5 clips are missing, unreadable or not whole" in message


def test_odd_clips_are_scored_and_flagged(world: Path) -> None:
    write_clips(world / "generated", {"c00": np.zeros(8000, dtype=np.float32)})
    write_clips(world / "generated", {"c01": np.sign(tone(200, 0.5))})
    write_clips(world / "generated", {"c02": tone(200, 0.2)})
    write_clips(world / "generated", {"c03": tone(200, 90.0)})
    found = score(world)
    flags = {c["clip_id"]: c["flags"] for c in found["audit"]["generated"]["clips"]}
    assert found["n_clips"] == 12
    assert "silent" in flags["c00"]
    assert "clipped" in flags["c01"]
    assert "short" in flags["c02"]
    assert "long" in flags["c03"]


@pytest.mark.slow
def test_ten_minute_clip_is_scored(world: Path) -> None:
    write_clips(world / "generated", {"c00": tone(200, 600.0)})
    assert score(world)["n_clips"] == 12


def test_nothing_readable_at_all(world: Path) -> None:
    for path in (world / "generated").iterdir():
        path.write_bytes(b"broken")
    assert "No clip is readable in every system (generated: 0 of 12 readable" in refuse(world)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"id,text\nc00,x\n", "lacks the column"),
        (b"clip_id,caption\nc00,x\nc00,y\n", "repeats"),
        (b"clip_id,caption\nc00,caf\xe9\n", "row 1: not UTF-8"),
        (b"clip_id,caption\nc00,x\n", "has no caption for 11 of 12 clips, such as 'c01'"),
    ],
)
def test_bad_caption_files(world: Path, text: bytes, words: str) -> None:
    (world / "captions.csv").write_bytes(text)
    assert words in refuse(world, "--captions", str(world / "captions.csv"))


def test_names_in_either_form_of_unicode_pair(world: Path) -> None:
    (world / "generated" / "c01.wav").rename(world / "generated" / "cafe\u0301.wav")
    (world / "reference" / "c01.wav").rename(world / "reference" / "caf\u00e9.wav")
    found = score(world)
    assert (found["n_clips"], found["audit"]["generated"]["n_missing"]) == (12, 0)


def test_truncated_clips_are_listed_in_the_terminal(world: Path) -> None:
    path = world / "generated" / "c01.wav"
    path.write_bytes(path.read_bytes()[:-2000])
    audit = score(world)["audit"]["generated"]
    assert audit["flags"]["truncated"] == 1
    assert [c["reason"][:22] for c in audit["clips"] if "truncated" in c["flags"]] == ["The file is not whole:"]
    assert "c01 (The file is not whole: it declares" in refuse(world, "--strict")


def test_long_clips_are_unreadable_with_the_option_to_give(world: Path) -> None:
    longest = np.concatenate([soundfile.read(world / "generated" / "c01.wav")[0]] * 9)
    soundfile.write(world / "generated" / "c01.wav", longest, SAMPLE_RATE)
    found = score(world, "--max-seconds", "2")
    (reason,) = (c["reason"] for c in found["audit"]["generated"]["clips"] if c["status"] != "ok")
    assert "is longer than 2 s" in reason
    assert "give a larger --max-seconds" in reason
    assert score(world, "--max-seconds", "100")["n_clips"] == 12


def test_a_class_list_gives_the_names_of_the_classes(world: Path, tmp_path: Path) -> None:
    table = tmp_path / "class_labels_indices.csv"
    table.write_text("index,mid,display_name\n0,/m/1,Dog\n1,/m/2,Rain\n", encoding="utf-8")
    pair = ScoreRequest(FolderPair(world / "generated", world / "reference"), class_list=table)
    measures = replace(pair.measures, embedders=("bands",), checkpoints={"bands": world / "plugins/bands.bin"})
    dataset = plan(replace(pair, measures=measures), Reporter(quiet=True)).dataset
    assert (dataset.class_names, dataset.vocabulary, dataset.vocabulary_name) == (
        ("Dog", "Rain"),
        ("/m/1", "/m/2"),
        "audioset-527",
    )
    assert "gone.csv does not exist" in refuse(world, "--class-list", str(tmp_path / "gone.csv"))
