"""Any folder of audio as a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.prompts.datasets.folder import PLUGIN
from reaudio_model.common.errors import ReaudioError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "captions.csv").write_text("clip_id,caption,labels\na,x,dog;Siren\nb,y,\n", encoding="utf-8")
    (tmp_path / "counts.csv").write_text("label,n_train,name\ndog,120,Dog\nsir,3,Siren\nowl,0,Owl\n", encoding="utf-8")
    (tmp_path / "real").mkdir()
    soundfile.write(tmp_path / "real" / "a.wav", np.zeros(9), 8000)
    return tmp_path


def test_load(root: Path) -> None:
    data = PLUGIN.load(DatasetOptions(root, root / "real"))
    assert (data.name, data.split) == ("folder", "test")
    assert data.prompts == (Prompt("a", "x", ("dog", "sir")), Prompt("b", "y", (), labels_known=False))
    assert data.train_counts == {"dog": 120, "sir": 3, "owl": 0}
    assert data.label_names == {"dog": "Dog", "sir": "Siren", "owl": "Owl"}
    assert data.references == {"a": root / "real" / "a.wav"}
    assert (data.vocabulary, data.vocabulary_name) == ((), None)
    assert data.notes == ("1 of 2 clips have no known labels: they count in the overall numbers and in no stratum.",)


def test_names_default_to_the_labels(root: Path) -> None:
    (root / "counts.csv").write_text("label,n_train\ndog,1\nsiren,2\n", encoding="utf-8")
    assert PLUGIN.load(DatasetOptions(root)).label_names == {"dog": "dog", "siren": "siren"}


def test_another_list_of_captions(root: Path) -> None:
    path = root / "other.csv"
    path.write_text("file,caption,labels\nc.wav,z,owl\n", encoding="utf-8")
    data = PLUGIN.load(DatasetOptions(root, clip_manifest=path))
    assert data.prompts == (Prompt("c", "z", ("owl",)),)
    assert data.notes == ()


def test_a_class_list_gives_the_vocabulary(root: Path) -> None:
    (root / "class_labels_indices.csv").write_text("index,mid,display_name\n0,dog,Dog\n1,sir,Siren\n", encoding="utf-8")
    data = PLUGIN.load(DatasetOptions(root))
    assert (data.vocabulary, data.vocabulary_name) == (("dog", "sir"), "audioset-527")
    assert data.class_names == ("Dog", "Siren")


def test_bad_options(root: Path) -> None:
    with pytest.raises(ReaudioError, match=r"needs --data-root, a folder with counts\.csv and captions\.csv; got None"):
        PLUGIN.load(DatasetOptions())
    with pytest.raises(ReaudioError, match="--captions 2: the dataset folder has one caption per clip"):
        PLUGIN.load(DatasetOptions(root, captions=2))
    (root / "real" / "a.wav").rename(root / "real" / "other.wav")
    with pytest.raises(ReaudioError, match=r"No file in .*real belongs to a clip"):
        PLUGIN.load(DatasetOptions(root, root / "real"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,n_train\ndog,12\nsir,few\n", r"counts\.csv row 2: n_train 'few' is not a whole number"),
        ("label,n_train\ndog,-1\n", "row 1: n_train '-1' is not a whole number"),
        (f"label,n_train\ndog,{'9' * 5000}\n", r"row 1: n_train '9+\.\.\.' is not a whole number"),
        ("label,n_train\ndog,1\ndog,2\n", "row 2: repeats label 'dog' of row 1"),
        ("label,n_train\n,1\n", "row 1: 'label' is empty"),
        ("label,count\ndog,1\n", "lacks the column 'n_train'; it has 'label', 'count'"),
        ("label,n_train\ndog,1\n", r"captions\.csv row 1: unknown label 'Siren'"),
    ],
)
def test_bad_counts(root: Path, text: str, message: str) -> None:
    (root / "counts.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ReaudioError, match=message):
        PLUGIN.load(DatasetOptions(root))


@pytest.mark.parametrize("second", ["dog", " Dog ", "DOG"])
def test_counts_are_compared_as_they_are_looked_up(root: Path, second: str) -> None:
    (root / "captions.csv").write_text("clip_id,caption,labels\na,x,Dog\n", encoding="utf-8")
    (root / "counts.csv").write_text(f"label,n_train\nDog,1000\n{second},3\n", encoding="utf-8")
    with pytest.raises(ReaudioError, match=r"counts\.csv row 2: repeats label '.*' of row 1"):
        PLUGIN.load(DatasetOptions(root))
    data = PLUGIN.load(DatasetOptions(root, skip_bad_rows=True))
    assert data.n_train(data.prompts[0].labels[0]) == 1000
    assert data.notes == (
        f"counts.csv: 1 of 2 rows are left out (--skip-bad-rows): row 2: repeats label '{second.strip()}' of row 1.",
    )


def test_a_label_that_no_clip_could_name(root: Path) -> None:
    (root / "counts.csv").write_text("label,n_train\ndog,1\nsiren,2\ndog;siren,3\n", encoding="utf-8")
    with pytest.raises(
        ReaudioError, match=r"counts\.csv row 3: the label 'dog;siren' has a semicolon, which separates labels"
    ):
        PLUGIN.load(DatasetOptions(root))


def test_a_name_of_two_labels_is_refused_where_it_is_used(root: Path) -> None:
    (root / "counts.csv").write_text("label,n_train,name\nd1,1000,Dog\nd2,3,dog\nsir,3,Siren\n", encoding="utf-8")
    with pytest.raises(ReaudioError, match=r"captions\.csv row 1: the label 'dog' may be any of 'd1', 'd2': give the id"):
        PLUGIN.load(DatasetOptions(root))
    (root / "captions.csv").write_text("clip_id,caption,labels\na,x,d1;D2\n", encoding="utf-8")
    assert PLUGIN.load(DatasetOptions(root)).prompts[0].labels == ("d1", "d2")


def test_all_faulty_rows_at_once_or_left_out(root: Path) -> None:
    rows = "".join(f"c{i},{'' if i % 2 else 'x'},{'dgo' if i == 4 else 'dog'}\n" for i in range(6))
    (root / "captions.csv").write_text("clip_id,caption,labels\n" + rows, encoding="utf-8")
    with pytest.raises(
        ReaudioError, match=r"has 4 faulty rows: row 2: 'caption' is empty; row 4: .*; row 5: unknown label 'dgo'.*; row 6:"
    ):
        PLUGIN.load(DatasetOptions(root))
    data = PLUGIN.load(DatasetOptions(root, skip_bad_rows=True))
    assert [p.clip_id for p in data.prompts] == ["c0", "c2"]
    assert data.notes[-1].startswith("captions.csv: 4 of 6 rows are left out (--skip-bad-rows): row 2: 'caption' is empty; ")


def test_clips_may_be_named_after_their_captions(root: Path) -> None:
    (root / "captions.csv").write_text("clip_id,caption,labels\na,A dog barks.,dog\nb,y,\n", encoding="utf-8")
    (root / "real" / "a.wav").rename(root / "real" / "a_dog_barks.wav")
    assert PLUGIN.load(DatasetOptions(root, root / "real")).references == {"a": root / "real" / "a_dog_barks.wav"}


def test_missing_tables(root: Path) -> None:
    (root / "captions.csv").unlink()
    with pytest.raises(ReaudioError, match=r"captions\.csv does not exist; the captions should be there"):
        PLUGIN.load(DatasetOptions(root))
    (root / "counts.csv").unlink()
    with pytest.raises(ReaudioError, match=r"counts\.csv does not exist; the training counts should be there"):
        PLUGIN.load(DatasetOptions(root))


def test_the_retrieval_pool_is_an_optional_column(root: Path) -> None:
    assert PLUGIN.load(DatasetOptions(root)).pool_counts is None
    path = root / "counts.csv"
    path.write_text("label,n_train,name,n_pool\ndog,120,Dog,120\nsir,3,Siren,3\nowl,0,Owl,16\n", encoding="utf-8")
    data = PLUGIN.load(DatasetOptions(root))
    assert data.n_pool("owl") == 16
    assert data.n_pool("crow") == 0
    path.write_text("label,n_train,name,n_pool\ndog,120,Dog,120\nsir,3,Siren,3\nowl,0,Owl,-1\n", encoding="utf-8")
    with pytest.raises(ReaudioError, match=r"counts\.csv row 3: n_pool '-1' is not a whole number of at least 0"):
        PLUGIN.load(DatasetOptions(root))


def test_paths_may_be_strings(root: Path) -> None:
    assert DatasetOptions(str(root), cache_dir="~/x") == DatasetOptions(root, cache_dir=Path("~/x").expanduser())  # type: ignore[arg-type]
