"""The miniature's judges and CLAP as embedders, with the bundled weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reaudio_eval import plugins
from reaudio_eval.features.checkpoints import resolve
from reaudio_eval.features.embedders import Embedder, TextEmbedder
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.encoders.tagger_files import new_tagger, save_tagger
from reaudio_model.miniature import world

NAMES = ("miniature_tagger", "miniature_judge", "miniature_clap")
CLASSES = sorted(world.train_counts())
BATCH_TOLERANCE = 1e-4  # float32 sums in another order, through a recurrent layer


def load(name: str, tmp_path: Path) -> Embedder:
    plugin = plugins.load("embedders", name)
    path = resolve(name, plugin.spec, explicit=None, sample_rate=16_000, cache_dir=tmp_path, allow_download=False)
    return plugin.load(path, sample_rate=16_000, device="cpu", cache_dir=tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_features_do_not_depend_on_the_batch(name: str, tmp_path: Path) -> None:
    embedder = load(name, tmp_path)
    clips = [world.render(clip_id) for clip_id in world.clip_ids("test")[:3]]
    together = embedder.embed(clips)
    for clip, features in zip(clips, together, strict=True):
        (alone,) = embedder.embed([clip])
        np.testing.assert_allclose(alone.frames, features.frames, atol=BATCH_TOLERANCE * np.abs(features.frames).max())
        if features.logits is not None:
            assert features.logits.shape == (len(CLASSES),)


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_judge_hears_far_better_than_chance(name: str, tmp_path: Path) -> None:
    """On one clip of every second class, normalised as the protocol does."""
    embedder = load(name, tmp_path)
    ids = [c for c in world.clip_ids("test") if len(world.describe(c).labels) == 1][::8]
    clips = [world.render(c) for c in ids]
    features = embedder.embed([0.5 * (c - c.mean()) / np.abs(c - c.mean()).max() for c in clips])
    hits = [
        CLASSES[int(f.logits.argmax())] == world.describe(c).labels[0]
        for f, c in zip(features, ids, strict=True)
        if f.logits is not None
    ]
    assert np.mean(hits) > 0.4  # chance is 1/65


def test_clap_puts_captions_beside_their_sounds(tmp_path: Path) -> None:
    embedder = load("miniature_clap", tmp_path)
    assert isinstance(embedder, TextEmbedder)
    ids = [c for c in world.clip_ids("test") if len(world.describe(c).labels) == 1][::8]
    audio = np.concatenate([f.frames for f in embedder.embed([world.render(c) for c in ids])])
    similarity = embedder.embed_text([world.describe(c).caption for c in ids]) @ audio.T
    matched = np.diag(similarity).mean()
    assert matched > similarity.mean() + 0.3


def test_a_tagger_of_other_classes_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_tagger(new_tagger("cnn", 2), ("a", "b"), tmp_path)
    plugin = plugins.load("embedders", "miniature_tagger")
    with pytest.raises(CheckpointError, match="is a tagger of other classes than the miniature's"):
        plugin.load(tmp_path, sample_rate=16_000, device="cpu")
    with pytest.raises(ReaudioError, match="works at 16000 Hz, not at 32000 Hz"):
        plugin.load(tmp_path, sample_rate=32_000, device="cpu")
