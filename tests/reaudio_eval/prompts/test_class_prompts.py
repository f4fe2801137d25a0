"""Prompts made of class names: as many for each class, distinct ids, no references; and the commands that use them."""

from __future__ import annotations

import dataclasses
import io
import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from reaudio_eval import plugins
from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.options import PER_CLASS, read_captions
from reaudio_eval.prompts.class_prompts import TEMPLATES, class_prompts, spoken
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.prompts.label_counts import prompts_csv
from reaudio_model.common.errors import ReaudioError
from reaudio_model.miniature import captions, world
from reaudio_model.miniature.classes import BY_LABEL

runner = CliRunner()


def dataset(names: dict[str, str]) -> Dataset:
    return Dataset("folder", "test", (Prompt("a", "a dog", ("d",)),), {"d": 3}, names, {"a": Path("a.wav")}, notes=("old",))


def test_every_class_equally_often_and_no_references() -> None:
    made = class_prompts(dataset({"d": "Dog", "u": "Unseen sound"}), 7)
    assert Counter(p.labels for p in made.prompts) == {("d",): 7, ("u",): 7}
    assert [p.caption for p in made.prompts[:6]] == [
        *(t.format(name="dog") for t in TEMPLATES),
        TEMPLATES[0].format(name="dog"),
    ]
    assert [p.clip_id for p in made.prompts[:2]] == ["dog-1", "dog-2"]
    assert (made.split, made.references, made.n_train("u")) == ("classes", {}, 0)
    assert "7 for each" in made.notes[0]


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1, max_size=8), st.integers(1, 3))
def test_ids_are_unique_file_names_whatever_the_names(names: dict[str, str], per_class: int) -> None:
    ids = [p.clip_id for p in class_prompts(dataset(names), per_class).prompts]
    assert len(set(ids)) == len(names) * per_class
    assert all(i.isascii() and "/" not in i and not i.startswith(".") for i in ids)


def test_a_class_keeps_its_ids_when_others_come() -> None:
    few = class_prompts(dataset({"d": "Dog"}), 2).prompts
    more = class_prompts(dataset({"d": "Dog", "c": "Cat"}), 2).prompts
    assert set(few) <= set(more)


@pytest.mark.parametrize(
    ("name", "said"), [("Male speech, man speaking", "male speech, man speaking"), ("TV", "TV"), ("A capella", "a capella")]
)
def test_spoken(name: str, said: str) -> None:
    assert spoken(name) == said


def test_refusals() -> None:
    with pytest.raises(ReaudioError, match="--per-class must be 1 or more"):
        class_prompts(dataset({"d": "Dog"}), 0)
    with pytest.raises(ReaudioError, match="names no class"):
        class_prompts(dataset({}))


def test_the_miniature_has_its_own_wordings() -> None:
    mini = Dataset("miniature", "test", (), world.train_counts(), world.label_names())
    made = class_prompts(mini)
    assert len(made.prompts) == 4 * len(world.label_names())
    for p in made.prompts:
        assert any(
            text in p.caption for wording in BY_LABEL[p.labels[0]].wordings for text in (wording.clause, wording.phrase)
        )
    known = set(captions.vocabulary())
    assert all(set(captions.words_of(p.caption)) <= known for p in made.prompts)
    for label in world.label_names():
        assert captions.class_captions(label)[0] == captions.class_caption(label)


def test_read_captions() -> None:
    assert read_captions("3", None) == (3, 0)
    assert read_captions("classes", None) == (1, PER_CLASS)
    assert read_captions("classes", 9) == (1, 9)
    for value in ("0", "-1", "class", "1.5", ""):
        with pytest.raises(ReaudioError, match="whole number from 1, or `classes`"):
            read_captions(value, None)
    with pytest.raises(ReaudioError, match="give it with --captions classes"):
        read_captions("1", 4)


def test_prompts_csv_can_be_read_again(tmp_path: Path) -> None:
    made = class_prompts(dataset({"d": 'Dog, "big"', "u": "Ünseen\nsound"}), 2)
    (tmp_path / "captions.csv").write_text(prompts_csv(made), encoding="utf-8")
    (tmp_path / "counts.csv").write_text("label,n_train\nd,3\nu,0\n", encoding="utf-8")
    read = plugins.load("datasets", "folder").load(DatasetOptions(tmp_path))
    assert [dataclasses.astuple(p) for p in read.prompts] == [dataclasses.astuple(p) for p in made.prompts]
    assert read.list_sha256 == made.list_sha256


def test_data_prompts_command(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("clip_id,caption,labels\na,a dog barks,d\n", encoding="utf-8")
    (tmp_path / "counts.csv").write_text("label,n_train,name\nd,3,Dog\nu,0,Unseen\n", encoding="utf-8")
    base = ["data", "prompts", "--dataset", "folder", "--data-root", str(tmp_path)]
    table = pd.read_csv(io.StringIO(runner.invoke(app, base).stdout))
    assert table.to_dict("list") == {"clip_id": ["a"], "caption": ["a dog barks"], "labels": ["d"]}
    out = tmp_path / "p.csv"
    wanted = [*base, "--captions", "classes", "--per-class", "2"]
    found = json.loads(runner.invoke(app, [*wanted, "--output", str(out), "--json"]).stdout)
    assert found["n_prompts"] == 4
    assert pd.read_csv(out)["labels"].tolist() == ["d", "d", "u", "u"]
    assert "4 prompts" in runner.invoke(app, [*wanted, "-o", str(out)]).stdout
    refused = runner.invoke(app, [*wanted, "--clip-manifest", str(out)])
    assert refused.exit_code == 2
    assert "leave out --clip-manifest" in refused.stderr
