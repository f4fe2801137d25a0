"""Saved parts that lack weights or are of another model, and settings of the calling program."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import tiny_conditioner, tiny_tokenizer
from transformers import PreTrainedTokenizerFast

from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.config import PRESETS, get_preset
from reaudio_model.denoiser.unet import build_unet
from reaudio_model.encoders.encoder_checkpoints import load_t5
from reaudio_model.pipeline.assemble import build_pipeline, load_pipeline, load_unet_folder
from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pipeline() -> ReAudioLDMPipeline:
    torch.manual_seed(0)
    pipeline = build_pipeline(PRESETS["tiny"], tiny_conditioner())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def saved(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> Path:
    pipeline.save_pretrained(tmp_path)
    return tmp_path


def sound(pipeline: ReAudioLDMPipeline) -> Any:
    return pipeline("rain", k=0, num_inference_steps=1, audio_length_in_s=0.2, seeds=[1]).audios


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    weights = load_file(path)
    change(weights)
    save_file(weights, path, {"format": "pt"})


@pytest.mark.slow
@pytest.mark.parametrize("part", ["clap", "t5", "audio_mae", "vocoder"])
def test_a_part_of_transformers_that_lacks_weights(saved: Path, part: str) -> None:
    edit(saved / part / "model.safetensors", lambda weights: weights.pop(min(weights)))
    with pytest.raises(CheckpointError, match=rf"{part} is not a saved .* missing: "):
        ReAudioLDMPipeline.from_pretrained(saved)


@pytest.mark.slow
def test_a_denoiser_with_weights_left_over_or_of_other_sizes(saved: Path) -> None:
    build_unet(get_preset("tiny", base_channels=32)).save_pretrained(saved / "unet")
    with pytest.raises(CheckpointError, match=r"is not one of this model \(channels .*\): choose its sizes"):
        load_pipeline(saved, device=CPU)
    file = saved / "unet" / "diffusion_pytorch_model.safetensors"
    edit(file, lambda weights: weights.update(more=torch.zeros(1)))
    with pytest.raises(CheckpointError, match="unexpected: more"):
        load_unet_folder(saved / "unet")


@pytest.mark.parametrize("content", [None, {}, {"scaling_factor": 0}, {"scaling_factor": "1"}])
def test_a_vae_without_its_scaling_factor(saved: Path, content: dict[str, Any] | None) -> None:
    path = saved / "vae" / "config.json"
    path.unlink()
    if content is not None:
        path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="is missing or has no scaling_factor above 0"):
        load_pipeline(saved, device=CPU)


@pytest.mark.parametrize("content", ["null", "{}"])
def test_damaged_tokenizers(saved: Path, content: str) -> None:
    (saved / "clap_tokenizer" / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match="There is no tokenizer for"):
        load_pipeline(saved, device=CPU)


def test_a_tokenizer_without_padding(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer("t5").backend_tokenizer)
    bare.pad_token = None  # a tokenizer that has padded keeps its token
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", lambda *_, **__: bare)
    with pytest.raises(CheckpointError, match="has no padding token"):
        load_t5(str(saved / "t5"), device=CPU)


def test_sizes_that_no_network_can_have(saved: Path) -> None:
    path = saved / "model_index.json"
    index = json.loads(path.read_text())
    index["model"]["codec"]["mel"]["hop_length"] = 0
    path.write_text(json.dumps(index))
    with pytest.raises(ReaudioError, match=r"mel\.hop_length must be above 0, not 0"):
        load_pipeline(saved, device=CPU)


def test_autocast_and_default_device_of_the_caller_change_nothing(pipeline: ReAudioLDMPipeline) -> None:
    expected = sound(pipeline)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(sound(pipeline), expected)
    with torch.device("meta"):
        np.testing.assert_array_equal(sound(pipeline), expected)


def test_another_default_dtype_and_training_mode_are_refused(pipeline: ReAudioLDMPipeline) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(ReaudioError, match=r"default dtype of torch is torch\.float64: call torch\.set_default_dtype"):
            sound(pipeline)
    finally:
        torch.set_default_dtype(torch.float32)
    pipeline.clap.train()
    try:
        with pytest.raises(ReaudioError, match=r"part clap is in training mode.*call pipeline\.clap\.eval\(\)"):
            sound(pipeline)
    finally:
        pipeline.clap.eval()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"retrieved": [[1]], "k": 1}, "retrieved must be a list of neighbours"),
        ({"retrieved": [None], "k": 1}, "retrieved must be a list of neighbours"),
        ({"retrieved": "x", "k": 1}, "retrieved must be a list of neighbours"),
        ({"features": "/x"}, "features are those of retrieved pairs"),
        ({"reranker": "x"}, "reranker must be a CLAP"),
        ({"latents": "x"}, "latents must be a tensor"),
        ({"conditioning": "x"}, "conditioning must be a Conditioning"),
        ({"prompt": "\ud800"}, "is not UTF-8"),
    ],
)
def test_arguments_of_other_types(pipeline: ReAudioLDMPipeline, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        pipeline(**{"prompt": "rain", "num_inference_steps": 1, "audio_length_in_s": 0.2} | arguments)
