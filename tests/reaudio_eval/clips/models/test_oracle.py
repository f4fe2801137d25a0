"""The oracle: each prompt's only neighbour is its own real clip; it is called no system and is in no default."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_model import tiny_conditioner

from reaudio_eval import plugins
from reaudio_eval.clips.collect import SystemRequest, own_role, shown_name
from reaudio_eval.clips.models import ClipRequest, oracle
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.runs.bundled import baseline_names
from reaudio_model.common.errors import ReaudioError
from reaudio_model.config import PRESETS
from reaudio_model.miniature import bundled, materials, world
from reaudio_model.pipeline.assemble import build_pipeline

IDS = world.clip_ids("test")[:2]
PROMPTS = tuple(Prompt(clip_id, world.describe(clip_id).caption) for clip_id in IDS)


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return dict(materials.write_clips(tmp_path_factory.mktemp("audio"), IDS))


def request(dataset: Dataset, output: Path, **fields: object) -> ClipRequest:
    return ClipRequest(
        dataset.prompts,
        dataset,
        output,
        **{"sampling": Sampling(steps=1), "device": "cpu", **fields},  # type: ignore[arg-type]
    )


def retrieved(clips: dict[str, Path]) -> list[list[str]]:
    record = json.loads((next(iter(clips.values())).parent / "generation.json").read_text())
    return [clip["retrieved"] for clip in record["clips"]]


@pytest.mark.slow
def test_the_only_neighbour_is_the_target(references: dict[str, Path], tmp_path: Path) -> None:
    dataset = Dataset("miniature", "test", PROMPTS, {}, {}, references=references)
    clips = oracle.PLUGIN.clips(request(dataset, tmp_path, variant="s"))
    assert retrieved(clips) == [[clip_id] for clip_id in IDS]
    asked = request(dataset, tmp_path, variant="s", sampling=Sampling(steps=1, k=0))
    assert oracle.PLUGIN.clips(asked) == clips  # whatever k the systems beside it use
    partly = replace(dataset, references={IDS[0]: references[IDS[0]]})
    assert list(oracle.PLUGIN.clips(request(partly, tmp_path, variant="s"))) == [IDS[0]]


def test_without_real_clips_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"is given the real clip of each prompt, and there is none: give --references"):
        oracle.PLUGIN.clips(request(Dataset("miniature", "test", PROMPTS, {}, {}), tmp_path, variant="l"))


@pytest.mark.slow
def test_the_users_weights(references: dict[str, Path], tmp_path: Path) -> None:
    build_pipeline(PRESETS["tiny"], tiny_conditioner()).save_pretrained(tmp_path / "pipeline")
    dataset = Dataset("folder", "test", PROMPTS, {}, {}, references=references)
    clips = oracle.PLUGIN.clips(request(dataset, tmp_path / "out", variant="s", weights=tmp_path / "pipeline"))
    assert retrieved(clips) == [[clip_id] for clip_id in IDS]
    with pytest.raises(ReaudioError, match="no public weights of oracle-s for folder"):
        oracle.PLUGIN.clips(request(dataset, tmp_path / "out", variant="s"))


def test_its_name_says_that_it_is_no_system_and_it_is_never_a_baseline() -> None:
    names = [f"oracle-{variant}" for variant in oracle.VARIANTS]
    for name in names:
        assert shown_name(name) == f"{name} (upper reference)"
        assert own_role(SystemRequest(shown_name(name), name)) == "oracle"
        assert plugins.find("models", name).description.startswith("Upper reference")
        assert name.replace("oracle", "re-audioldm") in bundled.shipped()
    assert shown_name("re-audioldm-l") == "re-audioldm-l"
    miniature = Dataset("miniature", "test", (), {}, {})
    assert not set(baseline_names(miniature, ["re-audioldm-l"])) & set(names)
    pool = {pair.clip_id for pair in bundled.bundled_index().pairs}
    assert not pool & set(world.clip_ids("test"))
