"""Identity of a run: everything its files depend on is in the name of its directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs import provenance
from reaudio_eval.runs.store import RunStore, ScoringPlan
from reaudio_eval.scores.evaluate import Options, Tools
from reaudio_eval.scores.system_scores import ScoredClips

PROMPTS = (Prompt("a", "a dog", ("dog",), source_id="v1"), Prompt("b", "rain", ("rain",), source_id="v2"))
DATASET = Dataset(
    "folder", "test", PROMPTS, {"dog": 5}, {"dog": "Dog"}, vocabulary=("dog", "rain"), vocabulary_name="two", pool_counts={"dog": 3}
)  # fmt: skip
CLIPS = ScoredClips(("a", "b"), ("a", "b"))
CONTENT = {"s": {"a": "1", "b": "2"}, "reference": {"a": "3", "b": "4"}}


def path(tmp_path: Path, dataset: Dataset = DATASET, content: Any = CONTENT, **options: Any) -> Path:
    plan = ScoringPlan(
        dataset, strata_scheme("log10", dataset.train_counts), "log10", Tools({}, ()), Options(**options), Sampling(), tmp_path
    )  # fmt: skip
    return RunStore(plan).path(SystemInfo("s", "generated", 2), CLIPS, content)


@pytest.mark.parametrize(
    "changes",
    [
        {"prompts": (replace(PROMPTS[0], caption="a cat"), PROMPTS[1])},
        {"prompts": (replace(PROMPTS[0], source_id="v3"), PROMPTS[1])},
        {"train_counts": {"dog": 6}},
        {"pool_counts": {"dog": 4}},
        {"pool_counts": None},
        {"label_names": {"dog": "Hound"}},
        {"vocabulary": ("rain", "dog")},
        {"propagated": True},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_a_dataset_that_was_changed_is_scored_again(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert path(tmp_path, replace(DATASET, **changes)) != path(tmp_path)


def test_other_bytes_seeds_and_code_are_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = path(tmp_path)
    assert path(tmp_path) == first
    assert path(tmp_path, content={**CONTENT, "reference": {"a": "3", "b": "5"}}) != first
    assert path(tmp_path, seed=1) != first
    assert path(tmp_path, device="cpu", jobs=1) == first
    monkeypatch.setattr(provenance, "_identity", lambda modules: ("other code", {"numpy": "1"}))
    assert path(tmp_path) != first


def test_other_clips_of_set_metrics_are_scored_again() -> None:
    plan = ScoringPlan(DATASET, strata_scheme("log10", {}), "log10", Tools({}, ()), Options(), Sampling(), Path("out"))
    system = SystemInfo("s", "generated", 2)
    paths = {RunStore(plan).path(system, ScoredClips(("a", "b"), sets), CONTENT) for sets in (("a", "b"), ("a",), ())}
    assert len(paths) == 3


def test_other_files_beside_the_weights_are_scored_again(tmp_path: Path) -> None:
    def config(files: dict[str, str]) -> Any:
        settings = {"checkpoint": "c", "files": files}
        embedder = SimpleNamespace(origin=SimpleNamespace(settings=settings))
        tools = Tools({"clap": embedder}, ())  # type: ignore[dict-item]
        plan = ScoringPlan(DATASET, strata_scheme("log10", {}), "log10", tools, Options(), Sampling(), tmp_path)
        return RunStore(plan).config(SystemInfo("s", "generated", 2), CLIPS, CONTENT)

    assert config({"config.json": "1"}) != config({"config.json": "2"})
