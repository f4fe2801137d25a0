"""Saved pipelines: every weight of every part is checked, half precision, and what diffusers itself can load."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import tiny_conditioner

from reaudio_model.common.errors import CheckpointError
from reaudio_model.config import PRESETS
from reaudio_model.encoders.clap import load_clap
from reaudio_model.encoders.encoder_checkpoints import load_audio_mae, load_t5
from reaudio_model.pipeline import pipeline as pipeline_module
from reaudio_model.pipeline.assemble import build_pipeline, load_pipeline, load_unet_folder
from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline

CPU = torch.device("cpu")
FILES = {
    "unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "vocoder": "model", "clap": "model", "audio_mae": "model",
    "t5": "model",
}  # fmt: skip


@pytest.fixture(scope="module")
def pipeline() -> ReAudioLDMPipeline:
    torch.manual_seed(0)
    return build_pipeline(replace(PRESETS["tiny"], k=2), tiny_conditioner())


@pytest.fixture(scope="module")
def saved(pipeline: ReAudioLDMPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "pipeline"
    pipeline.save_pretrained(folder)
    return folder


def weights(pipeline: ReAudioLDMPipeline) -> dict[str, torch.Tensor]:
    return {
        f"{part}.{name}": value
        for part in FILES
        for name, value in getattr(pipeline, part).state_dict().items()
        if "pooler" not in name
    }


def copied(saved: Path, target: Path, part: str) -> Path:
    """A copy of the pipeline whose part is a file of its own."""
    shutil.copytree(saved, target)
    return target / part / f"{FILES[part]}.safetensors"


def test_a_loaded_pipeline_is_the_saved_one(pipeline: ReAudioLDMPipeline, saved: Path) -> None:
    expected, loaded = weights(pipeline), load_pipeline(saved, device=CPU)
    found = weights(loaded)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert type(loaded.scheduler) is type(pipeline.scheduler)
    assert {**pipeline.scheduler.config, **loaded.scheduler.config} == dict(pipeline.scheduler.config)
    assert loaded.model_config == pipeline.model_config


@pytest.mark.parametrize("part", FILES)
def test_a_missing_weight_is_not_made_up(saved: Path, tmp_path: Path, part: str) -> None:
    """transformers draws at random what a file lacks."""
    file = copied(saved, tmp_path / "p", part)
    state = load_file(file)
    gone = sorted(name for name, value in state.items() if value.dim() > 1)[-1]
    save_file({name: value for name, value in state.items() if name != gone}, file, {"format": "pt"})
    with pytest.raises(CheckpointError, match="missing: ") as raised:
        load_pipeline(tmp_path / "p", device=CPU)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("part", FILES)
def test_a_weight_that_is_not_finite_is_named(saved: Path, tmp_path: Path, part: str) -> None:
    file = copied(saved, tmp_path / "p", part)
    state = load_file(file)
    broken = sorted(state)[-1]
    state[broken].view(-1)[0] = float("nan")
    save_file(state, file, {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"The weights .* contain NaN or infinity: use another checkpoint"):
        load_pipeline(tmp_path / "p", device=CPU)
    if part == "clap":  # also where the library loads the parts
        with pytest.raises(CheckpointError, match=r"The weights .* the part clap of .* contain NaN"):
            ReAudioLDMPipeline.from_pretrained(tmp_path / "p")


@pytest.mark.slow
@pytest.mark.parametrize("part", FILES)
def test_a_damaged_part_is_one_sentence(saved: Path, tmp_path: Path, part: str) -> None:
    file = copied(saved, tmp_path / "p", part)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"damaged") as raised:
        load_pipeline(tmp_path / "p", device=CPU)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_the_variant_fp16(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    half = build_pipeline(replace(PRESETS["tiny"], k=2), tiny_conditioner())
    for part in FILES:
        getattr(half, part).load_state_dict(getattr(pipeline, part).state_dict())
    half.to(torch.float16).save_pretrained(tmp_path / "p", variant="fp16")
    assert (tmp_path / "p/clap/model.fp16.safetensors").is_file()
    found, expected = weights(load_pipeline(tmp_path / "p", device=CPU)), weights(pipeline)
    assert all(value.dtype != torch.float16 for value in found.values())
    assert all(
        torch.equal(found[name], value.half().to(value.dtype))
        for name, value in expected.items()
        if value.is_floating_point()
    )
    assert load_unet_folder(tmp_path / "p/unet").dtype == torch.float32
    assert load_clap(tmp_path / "p/clap", device=CPU).network.dtype == torch.float32


@pytest.mark.parametrize("whole", [True, False])
def test_its_parts_are_read_on_their_own(pipeline: ReAudioLDMPipeline, saved: Path, whole: bool) -> None:
    clap = load_clap(saved if whole else saved / "clap", device=CPU)
    assert clap.sha256 == pipeline.conditioner.clap.sha256
    load_audio_mae(saved if whole else saved / "audio_mae", PRESETS["tiny"].condition, device=CPU)
    encoder, tokenizer = load_t5(str(saved / "t5"), device=CPU)
    assert tokenizer.get_vocab() == pipeline.t5_tokenizer.get_vocab()
    assert torch.equal(encoder.shared.weight, pipeline.t5.shared.weight)


def test_diffusers_loads_it_with_the_file_of_the_class(pipeline: ReAudioLDMPipeline, saved: Path) -> None:
    """As documented: ``custom_pipeline`` is the file that defines the class."""
    from diffusers import DiffusionPipeline

    loaded = DiffusionPipeline.from_pretrained(saved, custom_pipeline=pipeline_module.__file__, trust_remote_code=True)
    assert type(loaded).__name__ == "ReAudioLDMPipeline"
    assert torch.equal(loaded.unet.unet.conv_in.weight, pipeline.unet.unet.conv_in.weight)


def test_other_folders_are_refused(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "a")
    shutil.rmtree(tmp_path / "a/clap")
    shutil.rmtree(tmp_path / "a/t5")
    with pytest.raises(CheckpointError, match="was saved without clap, t5: save the whole pipeline"):
        load_pipeline(tmp_path / "a", device=CPU)
    shutil.copytree(saved, tmp_path / "b")
    (tmp_path / "b/scheduler/scheduler_config.json").write_text('{"_class_name": "os"}')
    with pytest.raises(CheckpointError, match="scheduler is missing, damaged or of an unknown scheduler"):
        load_pipeline(tmp_path / "b", device=CPU)
    (tmp_path / "b/model_index.json").write_text('{"_class_name": "AudioLDM2Pipeline"}')
    with pytest.raises(CheckpointError, match=r"model_index\.json is of AudioLDM2Pipeline, not of a Re-AudioLDM pipeline"):
        load_pipeline(tmp_path / "b", device=CPU)
