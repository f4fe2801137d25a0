"""Metrics by what an embedder gives, roles and ranges, and metrics of old manifests."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reaudio_eval import plugins
from reaudio_eval.features.active import ActiveEmbedder
from reaudio_eval.features.embedders import EmbedderSpec
from reaudio_eval.features.feature_set import FeatureSet, Undefined
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.binding import bind_metrics, choose, stored_metrics
from reaudio_eval.scores.metrics import ClipMetric, LabelMetric, Metric, MetricInput, Subset

DEFINITIONS = [definition for family in plugins.entries("metrics") for definition in plugins.load("metrics", family)]
ROUNDING = 1e-9
N_CLASSES = 12


def spec(**changes: object) -> EmbedderSpec:
    plain = EmbedderSpec("Foo", (16_000,), False, False, False, None, 0.0, (), "tests")
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def names(embedder: str, **changes: object) -> set[str]:
    return {m.info.name for m in bind_metrics({embedder: spec(**changes)}, {embedder: Undefined("no checkpoint")})}


def test_an_embedder_of_any_name_gets_what_it_can_serve() -> None:
    plain = {"copying_foo", "fd_foo", "fd_inf_foo", "kad_foo"}
    of_taggers = {"kl_foo", "kl_sigmoid_foo", "is_foo"}
    of_labels = {"label_accuracy_foo", "label_recall_foo", "label_probability_foo"}
    assert names("foo") == plain
    assert names("foo", has_text=True) == plain | {"clap_score_foo"}
    assert names("foo", has_logits=True) == plain | of_taggers | of_labels
    assert names("foo", many_frames=True) == {"copying_foo", "fad_foo", "fad_inf_foo", "kad_foo"}
    assert "clap_score" in names("clap", has_text=True)


def test_an_embedder_of_scores_gets_the_metrics_of_these_scores_alone() -> None:
    assert names("foo", scores=("CE", "CU", "PC", "PQ")) == {"ce_foo", "cu_foo", "pc_foo", "pq_foo"}
    assert names("foo", scores=("PQ",)) == {"pq_foo"}
    assert "audiobox_pq" in names("audiobox_aesthetics", scores=("PQ",))


def test_costly_metrics_are_computed_only_where_they_are_named() -> None:
    bound = bind_metrics({"foo": spec()}, {"foo": Undefined("no checkpoint")})

    def chosen(wanted: tuple[str, ...] | None, required: tuple[str, ...] = ()) -> set[str]:
        return {m.info.name for m in choose(bound, wanted, required)}

    assert chosen(None) == {"copying_foo", "fd_foo", "kad_foo"}
    assert chosen(None, ("fd_inf_foo",)) == {"copying_foo", "fd_foo", "kad_foo", "fd_inf_foo"}
    assert chosen(("fad",)) == {"fd_foo"}  # the family
    assert chosen(("fd_inf",)) == chosen(("fd_inf_foo",)) == {"fd_inf_foo"}


def test_a_metric_of_one_class_list_is_bound_to_taggers_of_that_list() -> None:
    assert "tag_text_foo" in names("foo", has_logits=True, vocabulary_name="audioset-527")
    assert "tag_text_foo" not in names("foo", has_logits=True, vocabulary_name="miniature-classes")


def test_a_package_that_is_not_installed_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    tagger = spec(has_logits=True, vocabulary_name="audioset-527")
    absent: dict[str, ActiveEmbedder | Undefined] = {"foo": cast(ActiveEmbedder, SimpleNamespace(sha256="s"))}
    reasons = {m.info.name: m.unavailable for m in bind_metrics({"foo": tagger}, absent)}
    assert reasons["tag_text_foo"] == 'needs the package wordllama: pip install "reaudio-eval[words]"'
    assert reasons["kl_foo"] is None


def features(rng: np.random.Generator, n: int, scale: float) -> FeatureSet:
    counts = np.ones(n, dtype=np.intp)
    frames, text = (scale * rng.standard_normal((2, n, 6))).astype(np.float32)
    logits = (scale * rng.standard_normal((n, N_CLASSES))).astype(np.float32)
    return FeatureSet(tuple(f"c{i:03}" for i in range(n)), frames, counts, "net", "0", logits, text)


def values(definition: Metric, data: MetricInput) -> list[float]:
    if isinstance(definition, ClipMetric):
        return list(definition.compute(data))
    if isinstance(definition, LabelMetric):
        return [each.value for each in definition.compute(data)]
    every = np.arange(len(data.prompts))
    found = definition.compute(data, [Subset(every, every), Subset(every[::2], every[::2])])
    return [each for each in found if not isinstance(each, Undefined)]


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda d: d.name)
def test_every_bundled_metric_has_a_role(definition: Metric) -> None:
    assert definition.role != "other"


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda d: d.name)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), scale=st.sampled_from([1e-3, 1.0, 30.0]), same=st.booleans())
def test_values_lie_in_the_range(definition: Metric, seed: int, scale: float, same: bool) -> None:
    """``same``: the generated clips are the real ones, where distances are smallest and similarities largest."""
    if definition.package is not None and definition.package.missing is not None:
        pytest.skip(definition.package.missing)
    rng, n = np.random.default_rng(seed), 120
    reference = features(rng, n, scale)
    generated = reference if same else features(rng, n, scale)
    labels = [f"l{i}" for i in range(N_CLASSES)]
    prompts = tuple(Prompt(c, "x", tuple(rng.choice(labels, 2, replace=False))) for c in reference.clip_ids)
    data = MetricInput(
        generated,
        reference,
        prompts,
        get_protocol(DEFAULT_PROTOCOL),
        vocabulary=tuple(labels),
        neighbours=tuple(rng.standard_normal((3, 6)) for _ in range(n)),
        class_names=tuple(f"class {i}" for i in range(N_CLASSES)),
    )
    found = np.array(values(definition, data))
    assert len(found)
    assert np.isfinite(found).all()
    low, high = definition.range
    assert low is None or found.min() >= low - ROUNDING
    assert high is None or found.max() <= high + ROUNDING


def test_a_range_is_no_wider_than_needed() -> None:
    ranges = {d.name: tuple(d.range) for d in DEFINITIONS}
    assert ranges["clap_score_{embedder}"] == (-1.0, 1.0)
    assert ranges["fd_{embedder}"] == ranges["fad_{embedder}"] == (0.0, None)
    assert ranges["fd_inf_{embedder}"] == (None, None)  # an extrapolation may fall below 0
    assert all(tuple(d.range) == (0.0, 1.0) for d in DEFINITIONS if isinstance(d, LabelMetric))


def test_metrics_of_old_manifests_get_role_and_range() -> None:
    old = {
        "title": "T", "level": "clip", "higher_is_better": True, "unit": "", "embedder_sha256": "", "source": "", "target": None,
    }  # fmt: skip
    rows = [
        old | {"name": name, "embedder": embedder}
        for name, embedder in (
            ("clap_score", "clap"),
            ("clap_score_miniature", "miniature_clap"),
            ("kl_panns", "panns"),
            ("gone_x", "x"),
        )
    ]
    found = stored_metrics(rows)
    assert [m.role for m in found] == ["text_similarity", "text_similarity", "divergence", "other"]
    assert [tuple(m.range) for m in found] == [(-1.0, 1.0), (-1.0, 1.0), (-0.01, None), (None, None)]
    assert stored_metrics([dataclasses.asdict(m) for m in found]) == found
    kad = old | {"name": "kad_panns", "embedder": "panns", "role": "other", "range": [0.0, None]}
    (without_note,) = stored_metrics([kad])
    assert without_note.note.startswith("KAD leaves out the pairs")
    assert (without_note.role, tuple(without_note.range)) == ("other", (0.0, None))  # as stored
    assert stored_metrics([{**dataclasses.asdict(found[0]), "range": [-1.0, 1.0]}]) == found[:1]  # as read from JSON
