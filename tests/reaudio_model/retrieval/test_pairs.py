"""Reading (text, audio) sets: both layouts, several captions, missing files, and every documented error."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.naming import caption_key
from reaudio_model.retrieval.pairs import read_pair_tables, read_pairs, read_prompts
from reaudio_model.retrieval.records import Pair


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


AUDIOCAPS = "split,audiocap_id,youtube_id,start_time,caption\n"


def test_audio_lies_beside_the_table(tmp_path: Path) -> None:
    touch(tmp_path / "clips", "a.wav", "b.flac")
    table = write(tmp_path / "t.csv", 'clip_id,caption,audio\na,"A dog, barking",clips/a.wav\nb, NA ,clips/b.flac\n')
    assert read_pairs(table).pairs == [
        Pair("a", "A dog, barking", tmp_path / "clips/a.wav"),
        Pair("b", "NA", tmp_path / "clips/b.flac"),
    ]


@pytest.mark.parametrize("source", ["source_id", "youtube_id"])
def test_sources_splits_and_an_audio_root(tmp_path: Path, source: str) -> None:
    root = touch(tmp_path / "audio", "a.wav", "b.wav")
    text = f"clip_id,caption,audio,{source},split\na,x,a.wav,v1,train\nb,y,b.wav,,val\n"
    table = write(tmp_path / "t.csv", text)
    both = [Pair("a", "x", root / "a.wav", "v1", "train"), Pair("b", "y", root / "b.wav", "", "val")]
    assert read_pairs(table, audio_root=root).pairs == both
    assert read_pairs(table, audio_root=root, split="val").pairs == both[1:]
    with pytest.raises(UnknownNameError, match=r"Unknown split 'vla'\. Did you mean 'val'"):
        read_pairs(table, audio_root=root, split="vla")


def test_missing_files_are_listed_and_none_at_all_is_an_error(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "clip_id,caption,audio\na,x,a.wav\nb,y,b.wav\n")
    with pytest.raises(
        ReaudioError, match=r"None of the 2 audio files of .*t\.csv exists, .*a\.wav: name their folder with --audio-root"
    ):
        read_pairs(table)
    touch(tmp_path, "b.wav")
    found = read_pairs(table)
    assert ([p.clip_id for p in found.pairs], found.missing) == (["b"], ["a"])


@pytest.mark.parametrize("prefix", ["{video}", "Y{video}", "{video}_30", "{video}_30_40"])
def test_audiocaps_by_video(tmp_path: Path, prefix: str) -> None:
    root = touch(tmp_path / "audio", *(prefix.format(video=v) + ".wav" for v in ("-v1", "v2")))
    table = write(tmp_path / "c.csv", AUDIOCAPS + "train,1,-v1,30,x\ntrain,2,v2,30.0,y\nval,3,v3,30,z\n")
    found = read_pairs(table, audio_root=root)
    assert [(p.clip_id, p.source_id, p.split) for p in found.pairs] == [("-v1", "-v1", "train"), ("v2", "v2", "train")]
    assert found.missing == ["v3"]
    with pytest.raises(ReaudioError, match=r"None of the 1 audio files .*a file named after the clip v3"):
        read_pairs(table, audio_root=root, split="val")


def test_audiocaps_by_the_id_of_any_caption_and_official_splits(tmp_path: Path) -> None:
    root = touch(tmp_path / "audio", "12.wav", "21.wav")
    text = "audiocap_id,youtube_id,start_time,caption\n11,v1,30,one\n12,v1,30,two\n21,v2,5,three\n"
    table = write(tmp_path / "test.csv", text)
    first, other = read_pairs(table, audio_root=root).pairs
    assert first == Pair("v1", "one", root / "12.wav", "v1", "test")
    assert other.audio == root / "21.wav"
    assert [p.caption for p in read_pairs(table, audio_root=root, caption_number=2).pairs] == ["two", "three"]
    assert [p.split for p in read_pairs(write(tmp_path / "mine.csv", text), audio_root=root).pairs] == ["", ""]


def test_audiocaps_in_a_folder_for_each_split(tmp_path: Path) -> None:
    train, val = touch(tmp_path / "train", "v1.wav"), touch(tmp_path / "val", "v2.flac")
    table = write(tmp_path / "c.csv", AUDIOCAPS + "train,1,v1,30,x\nval,2,v2,30,y\n")
    assert [p.audio for p in read_pairs(table, audio_root=tmp_path).pairs] == [train / "v1.wav", val / "v2.flac"]


def test_clips_of_one_video_keep_their_start(tmp_path: Path) -> None:
    root = touch(tmp_path / "audio", "v1_30.wav", "v1_60.wav")
    table = write(tmp_path / "c.csv", AUDIOCAPS + "train,1,v1,30,x\ntrain,2,v1,60,y\n")
    assert [(p.clip_id, p.source_id) for p in read_pairs(table, audio_root=root).pairs] == [("v1_30", "v1"), ("v1_60", "v1")]


def test_several_tables_are_one_set(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "b.wav")
    header = "clip_id,caption,audio,split\n"
    train = write(tmp_path / "1.csv", header + "a,x,a.wav,train\nc,z,none.wav,train\n")
    val = write(tmp_path / "2.csv", header + "b,y,b.wav,val\n")
    found = read_pair_tables([train, val])
    assert ([p.clip_id for p in found.pairs], found.missing) == (["a", "b"], ["c"])
    with pytest.raises(ReaudioError, match=r"1\.csv: the clip_id 'a' is in an earlier table too"):
        read_pair_tables([train, val, train])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip_id,audio\na,a.wav\n", "lacks the column 'caption'"),
        ("caption,audio\nx,a.wav\n", "lacks the column 'clip_id'"),
        (
            "clip_id,caption\na,x\n",
            r"needs the columns clip_id, caption, audio, or AudioCaps' audiocap_id, .*it has clip_id",
        ),
        ("clip_id,caption,audio\na,x,a.wav\na,y,a.wav\n", "row 2: repeats clip_id 'a'"),
        ("clip_id,caption,audio\na, ,a.wav\n", "row 1: 'caption' is empty"),
        ("clip_id,caption,audio\na,x,\n", "row 1: 'audio' is empty"),
        ("clip_id,caption,audio\na/b,x,a.wav\n", "row 1: the clip_id 'a/b' cannot be a file name"),
        (AUDIOCAPS + "train,1,v,soon,x\n", "row 1: start_time 'soon' is not a number"),
        (AUDIOCAPS + "train,1,v,1,x\ntrain,1,w,1,x\n", "row 2: repeats audiocap_id '1'"),
        (AUDIOCAPS + "train,1,,1,x\n", "row 1: 'youtube_id' is empty"),
        (AUDIOCAPS + "train,1,w,1,x\n", "No file in .* belongs to a clip: its names are 'a'"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    touch(tmp_path, "a.wav")
    with pytest.raises(ReaudioError, match=message):
        read_pairs(write(tmp_path / "t.csv", text), audio_root=tmp_path)


def test_other_errors(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"none\.csv does not exist; the \(text, audio\) pairs should be there"):
        read_pairs(tmp_path / "none.csv")
    with pytest.raises(ReaudioError, match="row 1: not UTF-8"):
        read_pairs(write(tmp_path / "l.csv", "clip_id,caption,audio\na,café,a.wav\n", "latin-1"))
    table = write(tmp_path / "c.csv", AUDIOCAPS + "train,1,v1,30,x\n")
    with pytest.raises(
        ReaudioError, match=r"c\.csv is a table of AudioCaps: name the folder of its clips with --audio-root"
    ):
        read_pairs(table)
    with pytest.raises(ReaudioError, match="counts from 1, not 0"):
        read_pairs(table, audio_root=tmp_path, caption_number=0)


def test_prompts(tmp_path: Path) -> None:
    table = write(tmp_path / "p.csv", "clip_id,caption,youtube_id\na, A dog ,v1\nb,rain,\n")
    assert read_prompts(table).pairs == [Pair("a", "A dog", None, "v1"), Pair("b", "rain")]
    for text, message in [("caption\nx\n", "lacks the column 'clip_id'"), ("clip_id,caption\na,x\na,y\n", "row 2: repeats")]:
        with pytest.raises(ReaudioError, match=message):
            read_prompts(write(table, text))


def test_caption_key_ignores_case_punctuation_and_spaces() -> None:
    assert caption_key(" A dog  barks, and then_BARKS again.\n") == "a dog barks and then barks again"
    assert caption_key("Straße") == caption_key("STRASSE")
    assert caption_key("...") == ""
    assert caption_key("dogs bark") != caption_key("dog barks")


@pytest.mark.slow
def test_real_audiocaps_table(shared: Path, tmp_path: Path) -> None:
    table = shared / "data" / "audiocaps" / "audiocaps_labelled.csv"
    root = touch(tmp_path / "audio", "Yr1nicOVtvkQ.wav")
    found = read_pairs(table, audio_root=root)
    assert len(found.pairs) + len(found.missing) == 51_308
    assert found.pairs[0][:2] == ("r1nicOVtvkQ", "A woman talks nearby as water pours")
