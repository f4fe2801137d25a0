"""Tag-text score: closed forms, word vectors of the package, AudioCaps captions of real clips."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.metrics import _word_vectors
from reaudio_eval.scores.metrics.tag_text import METRICS, tag_text
from reaudio_model.common.errors import ReaudioError

FLOAT64 = 1e-12
FLOAT32 = 1e-6
(TAG_TEXT,) = METRICS
NAMES = ("Dog", "Rain", "Speech", "Train horn")
needs_words = pytest.mark.skipif(_word_vectors.WORDLLAMA.missing is not None, reason="the extra words is not installed")


def test_closed_forms():
    """Classes along +-x and +-y have mean 0: a caption on an axis has the cosine of the tags' direction with that axis."""
    classes = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    captions = np.array([[1.0, 0], [1, 0], [0, 1], [1, 0]])
    probabilities = np.array([[0.25, 0, 0, 0], [0.16, 0, 0.09, 0], [0, 0, 0, 1], [0.3, 0.3, 0.3, 0.3]])
    values = tag_text(probabilities, classes, captions)
    assert values[:3] == pytest.approx([1.0, 0.4 / 0.5, -1.0], abs=FLOAT64)
    assert np.isnan(values[3])  # the tags cancel out


def test_equals_the_sum_written_out():
    rng = np.random.default_rng(0)
    p, e, t = rng.uniform(size=(3, 5)), rng.standard_normal((5, 4)), rng.standard_normal((3, 4))
    mean = sum(e) / 5
    for i, found in enumerate(tag_text(p, e, t)):
        tags = sum(np.sqrt(p[i, c]) * (e[c] - mean) for c in range(5))
        expected = tags @ (t[i] - mean) / np.sqrt(tags @ tags * ((t[i] - mean) @ (t[i] - mean)))
        assert found == pytest.approx(expected, abs=FLOAT64)


def test_a_shift_that_all_texts_share_changes_nothing():
    rng = np.random.default_rng(1)
    p, e, t = rng.uniform(size=(3, 5)), rng.standard_normal((5, 4)), rng.standard_normal((3, 4))
    assert tag_text(p, e + 2.0, t + 2.0) == pytest.approx(tag_text(p, e, t), abs=FLOAT64)


def test_a_caption_without_words_is_nan_for_that_clip_alone():
    values = tag_text(np.eye(2), np.eye(2), np.array([[0.0, 0.0], [0.0, 1.0]]))
    assert np.isnan(values[0])
    assert values[1] == pytest.approx(1.0)


def clips(make_features, make_input, logits, captions, names=NAMES):
    data = make_input(make_features(np.zeros((len(logits), 2)), logits=logits))
    prompts = tuple(Prompt(p.clip_id, caption) for p, caption in zip(data.prompts, captions, strict=True))
    return replace(data, prompts=prompts, class_names=names)


@needs_words
def test_the_caption_of_the_predicted_class_scores_highest(make_features, make_input):
    captions = ["A dog barks", "It rains heavily", "A man speaks", "A train blows its horn"]
    logits = np.where(np.eye(4, dtype=bool), 3.0, -6.0)
    matched = TAG_TEXT.compute(clips(make_features, make_input, logits, captions))
    for shift in (1, 2, 3):
        others = TAG_TEXT.compute(clips(make_features, make_input, logits, np.roll(captions, shift)))
        assert (matched > others + 0.2).all()


@needs_words
def test_order_and_repeated_captions_do_not_matter(make_features, make_input):
    logits = np.random.default_rng(0).standard_normal((3, 4))
    captions = ["rain", "a dog", "rain"]
    values = TAG_TEXT.compute(clips(make_features, make_input, logits, captions))
    backwards = TAG_TEXT.compute(clips(make_features, make_input, logits[::-1], captions[::-1]))
    assert backwards[::-1] == pytest.approx(values, abs=FLOAT64)


@needs_words
def test_class_list_of_another_size_is_refused(make_features, make_input):
    with pytest.raises(ReaudioError, match=r"'net' has 7 classes, but the dataset names 4"):
        TAG_TEXT.compute(clips(make_features, make_input, np.zeros((1, 7)), ["rain"]))


@needs_words
def test_word_vectors_are_those_of_the_package():
    """The package's own tokenizer and pooling on its own vectors, without its loader, which needs the network."""
    inference = pytest.importorskip("wordllama.inference")
    words = _word_vectors._load()
    theirs = inference.WordLlamaInference(words.vectors, words.tokenizer).embed(["A dog barks", "Rain"], norm=True)
    words.tokenizer.no_padding()
    assert _word_vectors.embed(["A dog barks", "Rain"]) == pytest.approx(theirs, abs=FLOAT32)


@needs_words
def test_text_without_tokens_has_no_vector():
    empty, word = _word_vectors.embed(["", "rain"])
    assert not empty.any()
    assert np.linalg.norm(word) == pytest.approx(1.0, abs=FLOAT64)


def test_package_that_is_not_installed_is_explained(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    _word_vectors._load.cache_clear()
    with pytest.raises(ReaudioError, match=r'tag_text needs the package wordllama: pip install "reaudio-eval\[words\]"'):
        _word_vectors.embed(["rain"])


@needs_words
def test_other_vectors_are_refused(monkeypatch):
    monkeypatch.setitem(_word_vectors.PUBLISHED, _word_vectors.VECTORS, "0" * 64)
    _word_vectors._load.cache_clear()
    with pytest.raises(ReaudioError, match=r"is not the file of wordllama 0\.4\.0\.post1.*pip install --force-reinstall"):
        _word_vectors.embed(["rain"])


@needs_words
def test_real_class_names_separate_captions_by_their_labels(shared: Path):
    """Perfect tags of AudioCaps' own labels: the matched caption scores above most mismatched ones."""
    with (shared / "data/audiocaps/audioset_classes.csv").open() as file:
        classes = list(csv.DictReader(file))
    with (shared / "data/audiocaps/audiocaps_labelled.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"][:200]
    tags = np.array([[c["mid"] in r["labels"].split(";") for c in classes] for r in rows], dtype=np.float64)
    names, captions = (
        _word_vectors.embed([r[k] for r in given]) for given, k in ((classes, "display_name"), (rows, "caption"))
    )
    matched = tag_text(tags, names, captions)
    mismatched = tag_text(tags, names, np.roll(captions, 7, axis=0))
    assert (matched[:, None] > mismatched[None]).mean() > 0.85
