"""What systems were trained on: declared by model files, or said with --trained-on."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaudio_eval import plugins
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.training_labels import EVERYTHING, NOTHING, OWN, UNKNOWN, declared, from_option
from reaudio_model.common.errors import ReaudioError, UnknownNameError

DATASET = Dataset("d", "test", (Prompt("a", "x", ("m2",)),), {"m1": 5}, {"m1": "Dog", "m2": "Owl, barn"})
AUDIOSET = Dataset("audiocaps", "test", (), {}, {}, vocabulary=("m1", "m2"), vocabulary_name="audioset-527")


def test_words() -> None:
    assert declared(None, DATASET) == UNKNOWN
    assert declared("dataset", DATASET) == OWN
    assert declared((), DATASET) == NOTHING
    assert from_option("X", "all", DATASET) == EVERYTHING
    assert from_option("X", "nothing", DATASET) == NOTHING
    assert not OWN.saw("m2")
    assert EVERYTHING.saw("m2")
    assert not UNKNOWN.known


def test_corpora_cover_the_classes_of_their_vocabulary() -> None:
    assert declared(("audioset", "wavcaps"), AUDIOSET).saw("m2")
    assert declared("wavcaps", AUDIOSET).saw("m1")
    elsewhere = declared("audioset", DATASET)
    assert not elsewhere.known
    assert "cannot be matched with those of d" in elsewhere.text


def test_several_together() -> None:
    both = declared(("dataset", "audioset"), AUDIOSET)
    assert both.known
    assert both.saw("m1")
    assert both.text == "the training set of the dataset and audioset"
    assert declared(("dataset", "all"), AUDIOSET).labels is None
    assert not declared(("dataset", "audioset"), DATASET).known


def test_a_file_of_labels_or_names(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("# seen\nm1\n\nowl, barn\n", encoding="utf-8")
    found = from_option("X", str(path), DATASET)
    assert found.labels == {"m1", "m2"}
    assert found.text == "the 2 classes named in labels.txt"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"m1\nOwl, bran\n", r"labels.txt line 2: unknown label 'Owl, bran'\. Did you mean 'Owl, barn'"),
        (b"# none\n", "names no label"),
        (b"\xe9", "is not UTF-8 in line 1"),
        (b"\xff\xfe", "is UTF-16 text: save it as UTF-8"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ReaudioError, match=message):
        from_option("X", str(path), DATASET)


def test_bad_words() -> None:
    with pytest.raises(
        ReaudioError, match=r"--trained-on X=datset: neither one of the words dataset, all, nothing, audioset"
    ):
        from_option("X", "datset", DATASET)
    with pytest.raises(ReaudioError, match="trained_on 'datset' is not known"):
        declared("datset", DATASET)


def test_every_model_that_generates_says_what_it_was_trained_on() -> None:
    names = [n for n in plugins.entries("models") if n not in ("clips", "real", "noise", "stable_audio_open")]
    for name in names:
        assert declared(plugins.load("models", name).training_data(plugins.find("models", name).variant), AUDIOSET).known, (
            name
        )
    with pytest.raises(UnknownNameError):
        plugins.load("models", "oracle")  # only its variants are models
