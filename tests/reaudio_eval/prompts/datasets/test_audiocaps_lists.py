"""Published lists of test clips."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from audiocaps_files import write_joined

from reaudio_eval.prompts.datasets._audiocaps_lists import N_TEST, PUBLISHED_LISTS, list_rows
from reaudio_eval.prompts.datasets._audiocaps_tables import AudioCapsTables, read_tables
from reaudio_model.common.errors import ReaudioError

BY_SIZE = {each.n_clips: each for each in PUBLISHED_LISTS}


@pytest.fixture(scope="module")
def real(shared: Path) -> AudioCapsTables:
    return read_tables(shared / "data" / "audiocaps")


def test_what_a_list_lacks_makes_up_its_size() -> None:
    assert {n: N_TEST - len(each.absent) for n, each in BY_SIZE.items()} == {975: 975, 964: 964, 957: 957, 886: 886}
    assert BY_SIZE[964].absent < BY_SIZE[957].absent
    assert BY_SIZE[964].absent < BY_SIZE[886].absent


# As the published lists have them: the first clips of 964 and 886, and captions of all.
FIRST = [
    "7fmOlUlwoNg",
    "6BJ455B1aAs",
    "GOD8Bt5LfDE",
    "YQSuFyFm3Lc",
    "VjSEIRnLAh8",
    "DlWd7Wmdi1E",
    "YNDKuNINDOY",
    "fsBR7e_X_0Y",
]
CAPTIONS = {
    (964, "IKnx3hJv1bs"): "Bad quality audio",
    (964, "Z7yDwpdGelM"): "A man speaking followed by sawing then plastic crinkling as water trickles",
    (886, "_z-bidQYVao"): "Male rapping and screaming",
    (886, "sCzRVvu9XeY"): "A rhythmic whistle plays a tune",
    (957, "zwoqJY03yHE"): "A woman speaking followed by another woman talking followed by a goat baaing as cloth rustles",
    (957, "-DmjkgWa-rw"): "Large church bells ring",
}


@pytest.mark.slow
@pytest.mark.parametrize("n", BY_SIZE)
def test_lists_of_the_real_split(real: AudioCapsTables, n: int) -> None:
    rows = list_rows(real, BY_SIZE[n])
    assert (len(rows), rows["youtube_id"].nunique()) == (n, n)
    assert rows["youtube_id"].tolist()[: len(FIRST)] == FIRST
    assert rows["youtube_id"].tolist()[-2:] == ["bhlhcGONisM", "JsoBpL86R5U"]
    captions = dict(zip(rows["youtube_id"], rows["caption"], strict=True))
    assert {(n, video): captions[video] for size, video in CAPTIONS if size == n} == {
        key: text for key, text in CAPTIONS.items() if key[0] == n
    }


@pytest.mark.slow
def test_members_that_only_some_lists_have(real: AudioCapsTables) -> None:
    videos = {n: set(list_rows(real, each)["youtube_id"]) for n, each in BY_SIZE.items()}
    has = {video: {n for n in videos if video in videos[n]} for video in ("2j8pxiFvElM", "9HVgYs8OOLc", "1oOYqBroWoA")}
    assert has == {"2j8pxiFvElM": {975, 964, 886}, "9HVgYs8OOLc": {975, 964, 957}, "1oOYqBroWoA": {975}}


def test_another_split_has_no_such_list(tmp_path: Path) -> None:
    tables = read_tables(write_joined(tmp_path / "tables"))
    with pytest.raises(
        ReaudioError, match=r"The list of 964 clips cannot be derived: .* this test split is another \(4 clips\)"
    ):
        list_rows(tables, BY_SIZE[964])


def _official_size(n_captions: int) -> AudioCapsTables:
    """975 clips with the absent ones of 964 among them."""
    videos = [*sorted(BY_SIZE[964].absent), *(f"v{i}" for i in range(N_TEST - 11))]
    rows = [
        ("test", f"{i}{n}", video, "0", f"{video} {n}", "", f"{video}_0")
        for n in range(n_captions)
        for i, video in enumerate(videos)
    ]
    columns = ["split", "audiocap_id", "youtube_id", "start_time", "caption", "labels", "clip"]
    frame = pd.DataFrame(rows, columns=columns)
    return AudioCapsTables(frame, None)  # type: ignore[arg-type]  # no classes are needed


def test_the_caption_of_the_list_is_taken_and_the_order_of_the_split_kept() -> None:
    rows = list_rows(_official_size(3), BY_SIZE[964])
    assert rows["caption"].tolist() == [f"v{i} 2" for i in range(964)]
    assert rows["clip_id"].tolist() == [f"v{i}" for i in range(964)]


def test_too_few_captions_are_refused() -> None:
    with pytest.raises(ReaudioError, match="The list of 964 clips uses caption 3 of each clip, and some clips have fewer"):
        list_rows(_official_size(2), BY_SIZE[964])
