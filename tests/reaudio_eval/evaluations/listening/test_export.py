"""From runs to pages and key: what is chosen, what a page gives away (nothing), levels, refusals, the command."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import listening_worlds
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from reaudio_eval import export_listening_test
from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.listening import stimuli
from reaudio_eval.evaluations.listening.export import ListeningPlan, plan
from reaudio_eval.evaluations.listening.records import Key, read_key
from reaudio_eval.evaluations.listening.request import ListeningRequest
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter

runner = CliRunner()


def plan_listening_test(request: ListeningRequest) -> ListeningPlan:
    return plan(request, Reporter(quiet=True))


def request(runs: Path, output: Path, **options: Any) -> ListeningRequest:
    return dataclasses.replace(ListeningRequest((runs,), output, prompts=8), **options)


def page_data(path: Path) -> dict[str, Any]:
    """What a participant's browser gets."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.S)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def samples(uri: str) -> np.ndarray[Any, Any]:
    audio, _ = soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    return np.asarray(audio)


def test_prompts_are_spread_over_the_strata(mos: Key) -> None:
    assert [s.name for s in mos.systems] == ["ours", "plain", "weak", "real"]
    assert mos.strata == ("head", "medium", "tail", "zero-shot")
    assert [mos.title(s) for s in mos.strata] == ["common 1,000+", "medium 100-999", "rare 1-99", "unseen"]
    counts = {s: sum(p.stratum == s for p in mos.prompts) for s in mos.strata}
    assert set(counts.values()) == {3}


def test_per_stratum_and_seed(runs: Path, tmp_path: Path) -> None:
    chosen = plan_listening_test(request(runs, tmp_path, per_stratum=2)).key.prompts
    assert len(chosen) == 8
    # Every stratum has six prompts: asking for more takes them all and says so.
    everything = plan_listening_test(request(runs, tmp_path, per_stratum=9)).key
    assert len(everything.prompts) == 24
    assert any("24 of the 36 prompts" in note for note in everything.notes)
    other = plan_listening_test(request(runs, tmp_path, seed=5)).key
    assert other.prompts != chosen
    assert other.test_id != everything.test_id


def test_pages_name_no_system_and_no_clip(runs: Path, mos_test: Path, mos: Key) -> None:
    for path in sorted((mos_test / "forms").iterdir()):
        text = path.read_text(encoding="utf-8")
        shown = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
        for secret in ("ours", "plain", "weak", "mismatch", "clip0", "clip1", str(runs)):
            assert secret not in shown, secret
        assert "real" not in json.dumps(page_data(path) | {"sounds": []})
        assert re.fullmatch(r"listener-\d+\.html", path.name)
    assert not (mos_test / "forms" / "key.json").exists()
    assert {p.name for p in mos_test.iterdir()} == {"forms", "key.json"}
    data = page_data(mos_test / "forms" / "listener-1.html")
    assert set(data["items"][0]) == {"id", "caption", "sounds"}
    assert [i["id"] for i in data["items"]] == [i.item for i in mos.forms[0].items]


def test_page_is_self_contained_and_escaped(mos_test: Path) -> None:
    text = (mos_test / "forms" / "listener-1.html").read_text(encoding="utf-8")
    assert "<b>twice</b>" not in text
    assert "default-src &#39;none&#39;" in text
    assert not re.search(r"(?:src|href)=[\"']?https?:", text)
    assert any("<b>twice</b>" in i["caption"] for i in page_data(mos_test / "forms" / "listener-1.html")["items"])


def test_sounds_are_the_clips_of_the_key(runs: Path, tmp_path: Path) -> None:
    asked = request(runs, tmp_path, audio="flac", checks=0)
    made, clips = export_listening_test(asked), plan_listening_test(asked).clips
    data = page_data(made.forms[0])
    for shown, item in zip(data["items"], made.contents.forms[0].items, strict=True):
        clip = item.clips[0]
        assert clip.system is not None
        source, _ = soundfile.read(clips[clip.system, clip.clip_id])
        np.testing.assert_allclose(samples(data["sounds"][shown["sounds"][0]]), source, atol=1e-4)


def test_levels_are_as_made_or_equal(runs: Path, tmp_path: Path) -> None:
    def levels(**options: Any) -> np.ndarray[Any, Any]:
        made = export_listening_test(request(runs, tmp_path / str(len(options)), audio="flac", **options))
        return np.array([np.sqrt(np.mean(samples(s) ** 2)) for s in page_data(made.forms[0])["sounds"][1:]])

    assert np.ptp(20 * np.log10(levels())) > 6
    np.testing.assert_allclose(20 * np.log10(levels(normalise=True)), stimuli.LEVEL_DB, atol=0.2)


def test_a_peak_keeps_a_clip_below_the_level() -> None:
    click = np.zeros(16_000, dtype=np.float32)
    click[100] = 0.5
    made = stimuli.encode(click, 16_000, "flac", normalise=True)
    assert made.limited
    assert np.abs(samples(made.uri)).max() == pytest.approx(stimuli.PEAK, abs=1e-3)
    silent = stimuli.encode(np.zeros(16_000, dtype=np.float32), 16_000, "flac", normalise=True)
    assert silent.silent
    assert silent.rms == 0


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_mp3_keeps_rate_and_content(rate: int) -> None:
    t = np.arange(rate) / rate
    made = stimuli.encode((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), rate, "mp3", normalise=False)
    audio, got = soundfile.read(io.BytesIO(base64.b64decode(made.uri.partition(",")[2])))
    assert got == (rate if rate in stimuli.MP3_LEVELS else {8_000: 16_000, 96_000: 48_000}[rate])
    middle = audio[got // 4 : got // 2]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.95 * 0.3 / np.sqrt(2), rel=0.005)  # LAME lowers all alike


def test_same_request_same_bytes(runs: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        export_listening_test(request(runs, tmp_path / folder))
    for name in ("key.json", "forms/listener-1.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_key_is_never_overwritten_by_another(runs: Path, tmp_path: Path) -> None:
    export_listening_test(request(runs, tmp_path))
    export_listening_test(request(runs, tmp_path))
    before = (tmp_path / "key.json").read_bytes()
    with pytest.raises(ReaudioError, match="holds the key of another listening test"):
        export_listening_test(request(runs, tmp_path, seed=3))
    assert (tmp_path / "key.json").read_bytes() == before


def test_key_reads_back(mos_test: Path, mos: Key, tmp_path: Path) -> None:
    assert mos.to_json() == (mos_test / "key.json").read_bytes()
    scores = {(s.system, s.metric, s.clip_id): s.value for s in mos.scores}
    clip = mos.prompts[0].clip_id
    assert scores["ours", "clap_score_tests", clip] == pytest.approx(listening_worlds.clip_quality("ours", clip))
    assert scores["weak", "fad_tests", None] == pytest.approx(3.8)
    with pytest.raises(ReaudioError, match=r"There is no key\.json"):
        read_key(tmp_path)
    (tmp_path / "key.json").write_text('{"schema": 99}', encoding="utf-8")
    with pytest.raises(ReaudioError, match="schema version 99"):
        read_key(tmp_path)
    (tmp_path / "key.json").write_text('{"schema": 1, "test_id": "x"}', encoding="utf-8")
    with pytest.raises(ReaudioError, match="is damaged"):
        read_key(tmp_path)
    for content in ("null", "[" * 100_000, '{"schema": 2, "seed": NaN}', "text"):
        (tmp_path / "key.json").write_text(content, encoding="utf-8")
        with pytest.raises(ReaudioError, match=r"key\.json .*: restore it; the answers cannot be read without it\.$"):
            read_key(tmp_path)


def test_a_key_with_other_content_is_refused(mos: Key, tmp_path: Path) -> None:
    raw = json.loads(mos.to_json())
    raw["systems"][0]["name"], raw["systems"][1]["name"] = raw["systems"][1]["name"], raw["systems"][0]["name"]
    (tmp_path / "key.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(ReaudioError, match=r"key\.json was altered: restore it"):
        read_key(tmp_path)
    del raw["sha256"]
    (tmp_path / "key.json").write_text(json.dumps(raw | {"schema": 1}), encoding="utf-8")  # as older versions wrote it
    assert read_key(tmp_path).systems[0].name == mos.systems[1].name


def test_only_shared_prompts_are_used(tmp_path: Path) -> None:
    world = listening_worlds.write_runs(tmp_path / "w", n_prompts=8)
    data = listening_worlds.dataset(6, {})
    clips = {f"clip{i:02d}": tmp_path / "w" / "clips" / "ours" / f"clip{i:02d}.wav" for i in range(6)}
    shutil.rmtree(world / "runs" / "tones" / "ours")
    listening_worlds.write_one(world / "runs" / "tones" / "ours" / "abc", data, "ours", clips)
    (tmp_path / "w" / "clips" / "weak" / "clip01.wav").unlink()
    key = plan_listening_test(request(world, tmp_path / "t", prompts=24)).key
    assert [p.clip_id for p in key.prompts] == ["clip00", "clip02", "clip03", "clip04", "clip05"]
    assert any("2 of 8 prompts; the test draws on the 6" in n for n in key.notes)
    assert any("missing for 1 prompt, which cannot be chosen" in n for n in key.notes)


def test_runs_that_share_nothing(tmp_path: Path) -> None:
    world = listening_worlds.write_runs(tmp_path / "w", n_prompts=4)
    data = listening_worlds.dataset(4, {})
    other = dataclasses.replace(data, prompts=tuple(dataclasses.replace(p, caption="else") for p in data.prompts))
    shutil.rmtree(world / "runs" / "tones" / "ours")
    clips = {p.clip_id: tmp_path / "w" / "clips" / "ours" / f"{p.clip_id}.wav" for p in data.prompts}
    listening_worlds.write_one(world / "runs" / "tones" / "ours" / "abc", other, "ours", clips)
    with pytest.raises(ReaudioError, match="share no prompt"):
        plan_listening_test(request(world, tmp_path / "t"))


def test_missing_clips_are_named(tmp_path: Path) -> None:
    world = listening_worlds.write_runs(tmp_path / "w", n_prompts=4)
    shutil.rmtree(tmp_path / "w" / "clips" / "plain")
    with pytest.raises(ReaudioError, match="files of plain are missing"):
        plan_listening_test(request(world, tmp_path / "t"))


def test_without_real_audio(runs: Path, tmp_path: Path) -> None:
    key = plan_listening_test(request(runs, tmp_path, real=False)).key
    assert [s.name for s in key.systems] == ["ours", "plain", "weak"]
    # References of the dataset stand in where the real audio was not scored.
    parts = tuple(runs / "runs" / "tones" / s for s in ("ours", "plain"))
    key = plan_listening_test(ListeningRequest(parts, tmp_path)).key
    assert [s.name for s in key.systems] == ["ours", "plain", "real"]


def test_one_system_cannot_be_compared(runs: Path, tmp_path: Path) -> None:
    one = (runs / "runs" / "tones" / "ours",)
    with pytest.raises(ReaudioError, match="needs two systems"):
        plan_listening_test(ListeningRequest(one, tmp_path, design="pairs", real=False))
    with pytest.raises(ReaudioError, match="nothing to rate"):
        plan_listening_test(ListeningRequest((runs / "runs" / "tones" / "real",), tmp_path))


def test_too_few_prompts_are_named(runs: Path, tmp_path: Path) -> None:
    notes = plan_listening_test(request(runs, tmp_path, prompts=4)).key.notes
    assert any("no paired test can be significant" in n and "choose 11 or more" in n for n in notes)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--scale", "7", "--scale must be 5 or 100"),
        ("--prompts", "0", "--prompts must be 1 or more"),
        ("--per-stratum", "0", "--per-stratum must be 1 or more"),
        ("--forms", "0", "--forms must be 1 or more"),
        ("--per-prompt", "0", "--per-prompt must be 1 or more"),
        ("--repeats", "0.9", "--repeats must be 0 to 0.5"),
        ("--checks", "-1", "--checks must be 0 or more"),
        ("--seed", "-1", "--seed must be 0 to 9223372036854775807, not -1"),
    ],
)
def test_options_out_of_range(runs: Path, tmp_path: Path, option: str, value: str, words: str) -> None:
    done = runner.invoke(app, ["listening", "export", str(runs), "--output", str(tmp_path / "t"), option, value])
    assert done.exit_code == 2
    assert words in done.stderr
    assert not (tmp_path / "t").exists()


def test_command(runs: Path, tmp_path: Path) -> None:
    arguments = [
        "listening", "export", str(runs), "--output", str(tmp_path / "t"), "--design", "pairs", "--per-stratum", "1", "--no-real",
        "--forms", "3", "--per-prompt", "1", "--repeats", "0", "--checks", "1", "--normalise", "--audio", "flac", "--seed", "4",
        "--jobs", "1", "--quiet",
    ]  # fmt: skip
    plan = json.loads(runner.invoke(app, [*arguments, "--dry-run"]).stdout)
    assert not (tmp_path / "t").exists()
    assert plan["n_forms"] == 3
    assert plan["items_by_role"] == {"noise": 1, "rating": 4}
    assert plan["share_of_repeats_and_checks"] == 0.2
    made = json.loads(runner.invoke(app, [*arguments, "--json"]).stdout)
    assert made["test_id"] == plan["test_id"]
    assert len(made["forms"]) == 3
    assert all(Path(p).is_file() for p in (*made["forms"], made["key"]))
    text = runner.invoke(app, arguments).stdout
    assert "Keep to yourself" in text
    assert "3 forms of 5 items, of which 1 noise" in text


def test_unreadable_clip_is_one_sentence(tmp_path: Path) -> None:
    world = listening_worlds.write_runs(tmp_path / "w", n_prompts=4)
    (tmp_path / "w" / "clips" / "ours" / "clip00.wav").write_bytes(b"not audio")
    done = runner.invoke(app, ["listening", "export", str(world), "--output", str(tmp_path / "t"), "--quiet"])
    assert done.exit_code == 2
    assert "clip00.wav cannot be decoded" in done.stderr
    assert not (tmp_path / "t" / "key.json").exists()
